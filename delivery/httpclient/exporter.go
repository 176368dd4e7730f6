package httpclient

import (
	"context"
	"net/url"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

// A Protocol is what an exporter's requests have besides their body.
type Protocol struct {
	ContentType string            // empty for application/x-protobuf
	Encoding    string            // Content-Encoding; empty for none
	Header      map[string]string // the protocol's own headers; the configured ones win
}

// An Exporter is what exporters over HTTP share. One embeds it, calls Init in its constructor (with Target set, if that is not the endpoint), and adds Encode, which
// makes it a delivery.Destination, and Attempt where a request is more than a POST to Target.
type Exporter struct {
	Client *Client
	Target *url.URL
	Pool   buffer.Pool // of the bodies
	sender *delivery.Sender
}

// Init makes the client and the sender. Nothing connects before the first request. d is the exporter that embeds this one.
func (e *Exporter) Init(s pipeline.Settings, c *Config, p Protocol, d delivery.Destination) (err error) {
	if e.Target == nil {
		if e.Target, err = Join(c.Endpoint, ""); err != nil {
			return err
		}
	}
	if e.Client, err = New(s, c, p); err != nil {
		return err
	}
	e.sender, err = delivery.New(s, c.Options(c.Timeout), d)
	return err
}

// Drain implements pipeline.Drainer.
func (e *Exporter) Drain() { e.sender.Drain() }

// Consume implements pipeline.Sink: waiting, retry, dividing and the answer are the sender's.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error { return e.sender.Send(ctx, b) }

// Attempt implements delivery.Destination: it posts to Target, and judges the answer by its status.
func (e *Exporter) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	return e.Client.Post(ctx, e.Target, p).Outcome
}

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	defer e.Client.Close()
	return e.sender.Stop(ctx)
}
