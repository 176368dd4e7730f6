package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	logsPerRequest   = 1000
	distinctRequests = 64 // 64,000 different records: a codec gains nothing from repetition
	connections      = 4
)

var words = []string{
	"request", "completed", "upstream", "cache", "miss", "retry", "checkout", "payment", "accepted", "user",
	"session", "expired", "order", "shipped", "queue", "drained", "lookup", "failed", "timeout", "connection",
}

func logRequests() ([][]byte, error) { return logRequestsOf(distinctRequests, logsPerRequest) }

// logRequestsOf returns OTLP requests of about 350 B per record, all different.
func logRequestsOf(requests, logs int) ([][]byte, error) {
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]byte
	for range requests {
		l := plog.NewLogs()
		rl := l.ResourceLogs().AppendEmpty()
		res := rl.Resource().Attributes()
		res.PutStr("service.name", "checkout")
		res.PutStr("k8s.namespace.name", "shop")
		res.PutStr("k8s.pod.name", fmt.Sprintf("checkout-%x", r.Uint32()))
		records := rl.ScopeLogs().AppendEmpty().LogRecords()
		for range logs {
			rec := records.AppendEmpty()
			rec.SetTimestamp(pcommon.Timestamp(1.7e18 + r.Int64N(1e15)))
			rec.SetSeverityNumber(plog.SeverityNumberInfo)
			rec.SetSeverityText("INFO")
			var body bytes.Buffer
			for body.Len() < 110 {
				fmt.Fprintf(&body, "%s %d ", words[r.IntN(len(words))], r.IntN(10000))
			}
			rec.Body().SetStr(body.String())
			a := rec.Attributes()
			a.PutStr("http.request.method", []string{"GET", "POST", "PUT"}[r.IntN(3)])
			a.PutStr("url.path", fmt.Sprintf("/api/v1/orders/%d", r.IntN(1e6)))
			a.PutInt("http.response.status_code", int64(200+r.IntN(4)*100))
			a.PutDouble("duration_ms", r.Float64()*1000)
			a.PutStr("client.address", fmt.Sprintf("10.%d.%d.%d", r.IntN(256), r.IntN(256), r.IntN(256)))
			a.PutStr("request.id", fmt.Sprintf("%016x", r.Uint64()))
		}
		b, err := plogotlp.NewExportRequestFromLogs(l).MarshalProto()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

func zstdAll(in [][]byte) ([][]byte, error) {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, b := range in {
		out = append(out, w.EncodeAll(b, nil))
	}
	return out, nil
}

type sender func(ctx context.Context, body []byte) error

func httpSender(port int, path, encoding string) sender {
	url := fmt.Sprintf("http://127.0.0.1:%d%s", port, path)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, WriteBufferSize: 256 << 10}, Timeout: 30 * time.Second}
	return func(ctx context.Context, body []byte) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		if encoding != "" {
			req.Header.Set("Content-Encoding", encoding)
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s: %s", res.Status, text)
		}
		return nil
	}
}

func grpcSender(port int, encoding string) (sender, func() error, error) {
	conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", port),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})),
		grpc.WithInitialWindowSize(1<<20), grpc.WithInitialConnWindowSize(4<<20), grpc.WithSharedWriteBuffer(true))
	if err != nil {
		return nil, nil, err
	}
	var opts []grpc.CallOption
	if encoding != "" {
		opts = append(opts, grpc.UseCompressor(encoding))
	}
	return func(ctx context.Context, body []byte) error {
		var answer []byte
		return conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", &body, &answer, opts...)
	}, conn.Close, nil
}

// drive sends n requests, with retries, and returns when all are answered.
func drive(ctx context.Context, send sender, requests [][]byte, n int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, connections)
	for range connections {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := send(ctx, requests[i%len(requests)]); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}
