package httpclient

import (
	"context"
	"net/url"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/delivery/queue"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

// A Protocol is the headers of an exporter's requests.
type Protocol struct {
	ContentType string            // empty for application/x-protobuf
	Encoding    string            // Content-Encoding; empty for none
	Header      map[string]string // the protocol's own headers; the configured ones win
}

// An Exporter is what HTTP exporters share. Embed it, call Init in the constructor (set Target first if it is not
// the endpoint), and add Encode and, if a request is more than a POST to Target, Attempt.
type Exporter struct {
	Client *Client
	Target *url.URL
	Pool   buffer.Pool // of the bodies
	sender *delivery.Sender
}

// Init makes the client and the sender. It does not connect. d is the embedding exporter.
func (e *Exporter) Init(s pipeline.Settings, c *Config, p Protocol, d delivery.Destination) (err error) {
	if e.Target == nil {
		if e.Target, err = Join(c.Endpoint, ""); err != nil {
			return err
		}
	}
	if e.Client, err = New(s, c, p); err != nil {
		return err
	}
	e.sender, err = delivery.New(s, c.Options(c.Timeout), delivery.Watched(d))
	return err
}

// Drain implements pipeline.Drainer.
func (e *Exporter) Drain() { e.sender.Drain() }

// Start implements pipeline.Starter.
func (e *Exporter) Start(ctx context.Context) error { return e.sender.Start(ctx) }

// Report implements pipeline.Reporter.
func (e *Exporter) Report() pipeline.Report { return e.sender.Report() }

// DiskQueue and Ready are the sender's.
func (e *Exporter) DiskQueue() *queue.Queue { return e.sender.DiskQueue() }

// Ready implements pipeline.Readier.
func (e *Exporter) Ready() error { return e.sender.Ready() }

// Drop books items that the protocol cannot represent.
func (e *Exporter) Drop(why pipeline.Reason, sig pipeline.Signal, items, bytes int) {
	e.sender.Drop(why, sig, items, bytes)
}

// Consume implements pipeline.Sink.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error { return e.sender.Send(ctx, b) }

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	return e.Client.Post(ctx, e.Target, p).Outcome
}

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	defer e.Client.Close()
	return e.sender.Stop(ctx)
}
