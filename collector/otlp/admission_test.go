package otlp

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/pipeline"
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
	_, err := plogotlp.NewGRPCClient(dial(t, srv.grpc)).Export(t.Context(), plogotlp.NewExportRequestFromLogs(sampleLogs(1)))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("gRPC answered %v, want UNAVAILABLE", err)
	}
	close(leave)
	if res := <-first; res.code != 200 {
		t.Errorf("the request inside was answered %d", res.code)
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
