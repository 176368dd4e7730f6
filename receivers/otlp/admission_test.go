package otlp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

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
	const idle, step = 30, 3 * 64 << 10
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
