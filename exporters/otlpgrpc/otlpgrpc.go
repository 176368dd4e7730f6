// Package otlpgrpc is the exporter that sends OTLP requests, unchanged, to any OTLP/gRPC endpoint.
package otlpgrpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

var methods = [...]string{
	pipeline.Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
	pipeline.Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	pipeline.Traces:  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
}

// clockSkew is how much earlier the server may end an attempt than we do.
const clockSkew = 50 * time.Millisecond

// Exporter is the component.
type Exporter struct {
	sender     *delivery.Sender
	dial       func() (*grpc.ClientConn, error)
	conn       *grpc.ClientConn // set by Start
	header     metadata.MD
	auth       *credential.Credential
	redact     *credential.Redactor
	compressor *payload.Compressor
	pool       buffer.Pool
}

// New makes the exporter without connecting.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{header: metadata.MD{}}
	var err error
	if e.compressor, err = payload.NewCompressor(c.Compression, 0, &e.pool); err != nil {
		return nil, err
	}
	for name, value := range c.Headers.Iter {
		e.header.Set(name, string(value))
	}
	if e.auth, err = credential.New(s.Log, c.Credentials); err != nil {
		return nil, err
	}
	e.redact = credential.NewRedactor(e.auth, c.Headers)
	if e.sender, err = delivery.New(s, c.Options(c.Timeout), delivery.Watched(e)); err != nil {
		return nil, err
	}
	if e.dial, err = dialer(s, c, e.compressor.Encoding()); err != nil {
		return nil, err
	}
	return e, nil
}

// Start implements pipeline.Starter: it connects early, so that the first request does not wait.
func (e *Exporter) Start(ctx context.Context) (err error) {
	if e.conn, err = e.dial(); err != nil {
		return err
	}
	e.conn.Connect()
	return e.sender.Start(ctx)
}

func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	return e.sender.Send(ctx, b)
}

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	return delivery.One(b, e.compressor.Payload), nil
}

// Carries implements delivery.Carrier.
func (e *Exporter) Carries() *payload.Compressor { return e.compressor }

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	md := e.header.Copy()
	md.Set(payload.IDHeader, p.ID())
	if v := e.auth.Header(); v != "" {
		md.Set("authorization", v)
	}
	var reply []byte
	err := e.conn.Invoke(metadata.NewOutgoingContext(ctx, md), methods[p.Signal], p, &reply)
	if err == nil {
		out := answer.Outcome{Code: codes.OK.String()}
		out.Partial(reply, e.redact.Text)
		return out
	}
	return e.failed(ctx, err)
}

func (e *Exporter) failed(ctx context.Context, err error) answer.Outcome {
	st := status.Convert(err)
	verdict, reason := answer.JudgeGRPC(st.Code(), st.Message())
	after := delay(st)
	if after > 0 && st.Code() == codes.ResourceExhausted { // a retry delay means that a retry makes sense
		verdict, reason = answer.Retry, ""
	}
	out := answer.Outcome{
		Verdict: verdict, Reason: reason, Code: st.Code().String(), After: after,
		Overload: st.Code() == codes.ResourceExhausted, Unsure: verdict == answer.Retry && st.Code() != codes.ResourceExhausted,
		Err: fmt.Errorf("the destination answered %s: %s", st.Code(), e.redact.Text(st.Message())),
	}
	if verdict != answer.Retry {
		out.After = 0
	}
	if st.Code() == codes.Unauthenticated {
		e.auth.Refused()
	}
	if end, ok := ctx.Deadline(); ok && st.Code() == codes.DeadlineExceeded && time.Until(end) < clockSkew {
		out.Code, out.Err = answer.CodeTimeout, answer.ErrTimeout
	}
	return out
}

func delay(st *status.Status) time.Duration {
	for _, d := range st.Proto().GetDetails() {
		if strings.HasSuffix(d.GetTypeUrl(), "/google.rpc.RetryInfo") {
			return answer.RetryInfo(d.GetValue())
		}
	}
	return 0
}

// Report implements pipeline.Reporter.
func (e *Exporter) Report() pipeline.Report { return e.sender.Report() }

// DiskQueue and Ready are the sender's.
func (e *Exporter) DiskQueue() *queue.Queue { return e.sender.DiskQueue() }

// Ready implements pipeline.Readier.
func (e *Exporter) Ready() error { return e.sender.Ready() }

// Drain implements pipeline.Drainer.
func (e *Exporter) Drain() { e.sender.Drain() }

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	return errors.Join(e.sender.Stop(ctx), e.conn.Close())
}
