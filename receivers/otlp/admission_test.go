package otlp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// TestAdmission: while the budget is taken, both doors refuse and say when to come back; the request that has it
// is served.
func TestAdmission(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var n atomic.Int32
	srv := start(t, pipeline.SinkFunc(func(context.Context, pipeline.Batch) error {
		if n.Add(1) == 1 {
			close(inside)
			<-leave
		}
		return nil
	}), func(_ *Config, s *pipeline.Settings) { s.Budget = pipeline.NewBudget(100 << 10) })
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(400)))
	first := make(chan response)
	go func() { first <- post(t, srv.http+"/v1/logs", typeProtobuf, "", body) }()
	<-inside
	res := post(t, srv.http+"/v1/logs", typeProtobuf, "gzip", compress(t, "gzip", body))
	if res.code != 503 || res.header.Get("Retry-After") != "1" {
		t.Errorf("answered %d, Retry-After %q; want 503 and 1", res.code, res.header.Get("Retry-After"))
	}
	_, err := plogotlp.NewGRPCClient(dial(t, srv.grpc)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(400)))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC answered %v, want UNAVAILABLE", err)
	}
	close(leave)
	if res := <-first; res.code != 200 {
		t.Errorf("the request inside was answered %d", res.code)
	}
}

// declare opens a connection that declares a body of n bytes and sends none of it.
func declare(t *testing.T, srv *server, n int) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(srv.http, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", typeProtobuf, n)
	return c
}

// TestADeclaredLengthHoldsLittle: connections that declare the largest body and send nothing keep nobody out.
func TestADeclaredLengthHoldsLittle(t *testing.T) {
	const idle, step = 30, 3 * 16 << 10
	srv := start(t, &pipelinetest.Counter{}, func(_ *Config, s *pipeline.Settings) { s.Budget = pipeline.NewBudget(64 << 20) })
	for range idle {
		declare(t, srv, defaultMaxBody)
	}
	for end := time.Now().Add(5 * time.Second); srv.budget.Used() != idle*step; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are reserved for %d idle connections, want %d", srv.budget.Used(), idle, idle*step)
		}
	}
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(50_000)))
	if res := post(t, srv.http+"/v1/logs", typeProtobuf, "", body); res.code != 200 {
		t.Errorf("a body of %d bytes beside them is answered %d %s", len(body), res.code, res.body)
	}
}

// TestALengthOverTheLimitIsAnsweredAtOnce: before any of the body came.
func TestALengthOverTheLimitIsAnsweredAtOnce(t *testing.T) {
	srv := start(t, &pipelinetest.Counter{}, nil)
	c := declare(t, srv, defaultMaxBody+1)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, " 413 ") {
		t.Errorf("answered %q, %v", line, err)
	}
}

// TestADestinationThatDoesNotAnswer: the client is told to try again before it gives up by itself.
func TestADestinationThatDoesNotAnswer(t *testing.T) {
	srv := start(t, pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		<-ctx.Done()
		return pipeline.Withdrawn(ctx)
	}), func(c *Config, _ *pipeline.Settings) { c.RequestTimeout = 50 * time.Millisecond })
	if res := post(t, srv.http+"/v1/logs", typeProtobuf, "", encoded(t, requests()[wire.Logs])); res.code != 503 {
		t.Errorf("answered %d, want 503", res.code)
	}
}

// TestSlowSenders: over HTTP, too, a body may take as long as bytes come. One that stopped is cut with an answer that
// clients repeat: 408 they do not.
func TestSlowSenders(t *testing.T) {
	body := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(400)))
	sink := &pipelinetest.Counter{}
	srv := start(t, sink, func(c *Config, _ *pipeline.Settings) { c.patience = 50 * time.Millisecond })
	answerOf := func(c net.Conn) string {
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		text, _ := io.ReadAll(c)
		return string(text)
	}
	c := declare(t, srv, len(body))
	for rest := body; len(rest) > 0; {
		n := min(len(rest), conns.MinRate/4)
		c.Write(rest[:n])
		rest = rest[n:]
		time.Sleep(100 * time.Millisecond) // 2.5 times the rate
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); !strings.Contains(line, " 200 ") || sink.Requests.Load() != 1 {
		t.Errorf("slow: answered %q, %v", line, err)
	}
	c = declare(t, srv, len(body))
	c.Write(body[:1000])
	if text := answerOf(c); !strings.Contains(text, " 503 ") || !strings.Contains(text, "Retry-After: 1\r\n") {
		t.Errorf("stalled: answered %q", text)
	}
	if used := srv.budget.Used(); used != 0 {
		t.Errorf("%d bytes stay reserved", used)
	}
	srv = start(t, sink, func(c *Config, _ *pipeline.Settings) { c.Protocols.HTTP.Get().ReadTimeout = 100 * time.Millisecond })
	c = declare(t, srv, len(body))
	c.Write(body[:1000])
	if text := answerOf(c); !strings.Contains(text, " 503 ") || !strings.Contains(text, "read_timeout") || !strings.Contains(text, "Retry-After: 1\r\n") {
		t.Errorf("read_timeout: answered %q", text)
	}
}

// TestZstdWindows: what the frame of a small message asks for is not allocated, at either door.
func TestZstdWindows(t *testing.T) {
	body := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x98} // a window of 512 MiB
	for range 19 {
		body = append(body, 0x02, 0x00, 0x10, 0x00)
	}
	body = append(body, 0x03, 0x00, 0x10, 0x00)
	srv := start(t, &pipelinetest.Counter{}, nil)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 10 {
		if res := post(t, srv.http+"/v1/logs", typeProtobuf, "zstd", body); res.code != 400 || !strings.Contains(res.body, "window") {
			t.Errorf("answered %d %q", res.code, res.body)
		}
		if code, text := call(t, srv.grpc, "zstd", body); code != "3" || !strings.Contains(text, "window") {
			t.Errorf("answered %s %q", code, text)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<20 {
		t.Errorf("%d bytes were allocated for 20 messages of %d", n, len(body))
	}
}

// TestIdleStreamsHoldNothing: calls that were opened, or declared a large message, and send nothing keep nobody out.
func TestIdleStreamsHoldNothing(t *testing.T) {
	const limit = 64 << 20
	srv := start(t, &pipelinetest.Counter{}, func(c *Config, s *pipeline.Settings) {
		s.Budget = pipeline.NewBudget(limit)
		c.Protocols.GRPC.Get().MaxRecvMsgSizeMiB = 134
	})
	conn := dial(t, srv.grpc)
	for range 200 {
		if _, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, exportLogs); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if _, err := plogotlp.NewGRPCClient(conn).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(20_000))); err != nil {
			t.Error(err)
		}
	}
	if used := srv.budget.Used(); used != 0 {
		t.Errorf("%d bytes are reserved", used)
	}
}
