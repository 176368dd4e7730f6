package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestAStartThatFailsLeavesNothingBehind: after the second listener failed, the first one must not serve on.
func TestAStartThatFailsLeavesNothingBehind(t *testing.T) {
	cfg := Default()
	cfg.Protocols.GRPC.GetOrInsertDefault()
	cfg.Protocols.HTTP.GetOrInsertDefault()
	s, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "otlp")
	var first net.Listener
	s.Listen = func(ctx context.Context, network, _ string) (net.Listener, error) {
		if first != nil {
			return nil, errors.New("the port is taken")
		}
		var err error
		first, err = (&net.ListenConfig{}).Listen(ctx, network, "127.0.0.1:0")
		return first, err
	}
	r, err := New(s, cfg, pipeline.OutputsTo(&pipelinetest.Counter{}, pipeline.Signals[:]...))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.(*Receiver).Start(t.Context()); err == nil {
		t.Fatal("the receiver started without its second port")
	}
	if c, err := net.Dial("tcp", first.Addr().String()); err == nil {
		c.Close()
		t.Error("the first listener is still open")
		r.(*Receiver).Stop(t.Context())
	}
}

// TestAfterStopNobodyIsInside: after the drain timeout handlers are cut off, and Stop returns after the last one, because
// what they write to is closed next.
func TestAfterStopNobodyIsInside(t *testing.T) {
	var inside atomic.Int32
	entered := make(chan struct{})
	sink := pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		inside.Add(1)
		close(entered)
		<-ctx.Done()
		time.Sleep(100 * time.Millisecond)
		inside.Add(-1)
		return pipeline.Withdrawn(ctx)
	})
	var rec *Receiver
	s := start(t, sink, nil)
	rec = s.receiver
	body, err := sampleBody()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if res, err := http.Post(s.http+"/v1/logs", typeProtobuf, strings.NewReader(body)); err == nil {
			res.Body.Close()
		}
	}()
	<-entered
	over, cancel := context.WithCancel(t.Context())
	cancel()
	rec.Stop(over)
	if n := inside.Load(); n != 0 {
		t.Errorf("%d handlers are still inside after Stop", n)
	}
}

// TestACallWithoutAMessageHoldsNothing: a client that opens a call and falls silent is told to come again.
func TestACallWithoutAMessageHoldsNothing(t *testing.T) {
	s := start(t, &pipelinetest.Counter{}, func(c *Config, _ *pipeline.Settings) { c.patience = 100 * time.Millisecond })
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := dial(t, s.grpc).NewStream(t.Context(), desc, "/opentelemetry.proto.collector.logs.v1.LogsService/Export")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("answered %v, want UNAVAILABLE", err)
	}
	if used := s.budget.Used(); used != 0 {
		t.Errorf("%d bytes are reserved", used)
	}
}

// TestPathsThatServeMuxRefuses are faults of the configuration, not a panic at the start.
func TestPathsThatServeMuxRefuses(t *testing.T) {
	for _, change := range []func(*HTTPConfig){
		func(h *HTTPConfig) { h.LogsURLPath = h.TracesURLPath },
		func(h *HTTPConfig) { h.LogsURLPath = "/v1/{logs" },
	} {
		cfg := Default()
		change(cfg.Protocols.HTTP.GetOrInsertDefault())
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "logs_url_path") {
			t.Errorf("got %v", err)
		}
	}
}

// TestALimitOfZeroIsTheDefault, as in the Collector.
func TestALimitOfZeroIsTheDefault(t *testing.T) {
	s := start(t, &pipelinetest.Counter{}, func(c *Config, _ *pipeline.Settings) {
		c.Protocols.HTTP.Get().MaxRequestBodySize = 0
	})
	body, err := sampleBody()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(s.http+"/v1/logs", typeProtobuf, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %s", res.Status)
	}
}

func sampleBody() (string, error) {
	b, err := plogotlp.NewExportRequestFromLogs(sampleLogs(2)).MarshalProto()
	return string(b), err
}

// TestStopDoesNotWaitForBodies: a call and a request whose bodies do not come do not hold a reload.
func TestStopDoesNotWaitForBodies(t *testing.T) {
	s := start(t, &pipelinetest.Counter{}, nil)
	stream, err := dial(t, s.grpc).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, exportLogs)
	if err != nil {
		t.Fatal(err)
	}
	body := declare(t, s, 1000)
	half, err := net.Dial("tcp", strings.TrimPrefix(s.http, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	half.Write([]byte("POST /v1/logs HTTP/1.1\r\n"))
	time.Sleep(50 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	begin := time.Now()
	s.receiver.Stop(ctx)
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("Stop took %s", took)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC answered %v, want UNAVAILABLE", err)
	}
	body.SetReadDeadline(time.Now().Add(5 * time.Second))
	if text, _ := io.ReadAll(body); !strings.Contains(string(text), " 503 ") || !strings.Contains(string(text), "Retry-After: 1\r\n") {
		t.Errorf("HTTP answered %q", text)
	}
}

// TestAClientThatSendsNoMore gets its answer, over both servers: it closed its side, and listens.
func TestAClientThatSendsNoMore(t *testing.T) {
	for name, header := range map[string]string{"plain": "", "net/http": "Transfer-Encoding: chunked\r\n"} {
		t.Run(name, func(t *testing.T) {
			delivered := make(chan error, 1)
			sink := pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
				select {
				case <-time.After(200 * time.Millisecond):
					delivered <- nil
					return nil
				case <-ctx.Done():
					delivered <- ctx.Err()
					return pipeline.Withdrawn(ctx)
				}
			})
			c, err := net.Dial("tcp", strings.TrimPrefix(start(t, sink, nil).http, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			body := `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`
			length := fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
			if header != "" {
				length = fmt.Sprintf("%s\r\n%x\r\n%s\r\n0\r\n\r\n", header, len(body), body)
			}
			fmt.Fprintf(c, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s", length)
			if err := c.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(c)
			if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 OK") {
				t.Errorf("the answer is %q, %v", answer, err)
			}
			if err := <-delivered; err != nil {
				t.Error(err)
			}
		})
	}
}
