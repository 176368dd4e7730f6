package otlp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/receivers/otlp/grpcserver"
	"github.com/sluiceio/sluice/wire"
)

func dial(t testing.TB, addr string) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestGRPC(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	srv := start(t, sink, nil)
	conn := dial(t, srv.grpc)
	for _, opts := range [][]grpc.CallOption{nil, {grpc.UseCompressor("gzip")}, {grpc.UseCompressor("zstd")}} {
		if _, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(5000)), opts...); err != nil {
			t.Error(err)
		}
		if _, err := pmetricotlp.NewGRPCClient(conn).Export(t.Context(), pmetricotlp.NewExportRequestFromMetrics(sampleMetrics()), opts...); err != nil {
			t.Error(err)
		}
		if _, err := ptraceotlp.NewGRPCClient(conn).Export(t.Context(), ptraceotlp.NewExportRequestFromTraces(sampleTraces()), opts...); err != nil {
			t.Error(err)
		}
	}
	want := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(5000)))
	n := 0
	for _, b := range sink.Batches() {
		if b.Signal == wire.Logs {
			n++
			if !bytes.Equal(b.Request, want) || b.Items != 5000 {
				t.Error("the sink got other bytes than were sent")
			}
		}
	}
	if n != 3 || len(sink.Batches()) != 9 {
		t.Errorf("%d requests arrived, %d of them logs; want 9 and 3", len(sink.Batches()), n)
	}
}

const exportLogs = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"

// call sends bytes that are compressed already, and returns the status.
func call(t testing.TB, addr, encoding string, body []byte) (code, text string) {
	t.Helper()
	tr := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	framed := append(binary.BigEndian.AppendUint32([]byte{1}, uint32(len(body))), body...)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+exportLogs, bytes.NewReader(framed))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Grpc-Encoding", encoding)
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	if code := res.Header.Get("Grpc-Status"); code != "" {
		return code, res.Header.Get("Grpc-Message")
	}
	return res.Trailer.Get("Grpc-Status"), res.Trailer.Get("Grpc-Message")
}

// TestUnixSocket: transport: unix.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "otlp.sock")
	sink := &pipelinetest.Counter{}
	start(t, sink, func(c *Config, _ *pipeline.Settings) {
		c.Protocols.GRPC.Get().NetAddr = confignet.AddrConfig{Endpoint: path, Transport: confignet.TransportTypeUnix}
	})
	if _, err := plogotlp.NewGRPCClient(dial(t, "unix:"+path)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(3))); err != nil || sink.Items.Load() != 3 {
		t.Errorf("%d logs arrived, %v", sink.Items.Load(), err)
	}
}

// TestTheWrongPort: who sends OTLP/HTTP to the port of OTLP/gRPC is told where it belongs.
func TestTheWrongPort(t *testing.T) {
	srv := start(t, &pipelinetest.Counter{}, nil)
	res := post(t, "http://"+srv.grpc+"/v1/logs", typeProtobuf, "", nil)
	if res.code != 400 || !strings.Contains(res.body, "OTLP/HTTP is taken at 127.0.0.1:") {
		t.Errorf("answered %d %q", res.code, res.body)
	}
}

// TestKeysOfConfiggrpc: what a file may say about the gRPC server arrives there.
func TestKeysOfConfiggrpc(t *testing.T) {
	cfg := Default()
	err := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{"grpc": map[string]any{
		"endpoint": "127.0.0.1:0", "max_recv_msg_size_mib": 7, "max_concurrent_streams": 9, "read_buffer_size": 8192,
		"keepalive": map[string]any{
			"server_parameters": map[string]any{
				"max_connection_idle": "1m", "max_connection_age": "2m", "max_connection_age_grace": "3m", "time": "4m", "timeout": "5m",
			},
			"enforcement_policy": map[string]any{"min_time": "6m", "permit_without_stream": true},
		},
	}}}).Unmarshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "otlp")
	got := newGRPC(s, cfg, &intake{}).opt
	want := grpcserver.Keepalive{
		MaxConnectionIdle: time.Minute, MaxConnectionAge: 2 * time.Minute, MaxConnectionAgeGrace: 3 * time.Minute,
		Time: 4 * time.Minute, Timeout: 5 * time.Minute, MinTime: 6 * time.Minute, PermitWithoutStream: true,
	}
	if got.Keepalive != want || got.MaxMessage != 7<<20 || got.MaxStreams != 9 || got.ReadBuffer != 8192 {
		t.Errorf("got %+v", got)
	}
}
