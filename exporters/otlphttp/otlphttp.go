// Package otlphttp is the exporter that posts OTLP requests, as the bytes they came in, to any OTLP/HTTP endpoint.
package otlphttp

import (
	"context"
	"fmt"
	"net/url"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/pipeline"
)

// Exporter is the component.
type Exporter struct {
	sender  *delivery.Sender
	http    *delivery.HTTP
	targets [pipeline.Traces + 1]*url.URL
	encode  func(pipeline.Batch) *delivery.Payload
	pool    delivery.Pool
}

// New makes the exporter. It connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{}
	compressor, err := delivery.NewCompressor(c.Compression, int(c.CompressionParams.Level), &e.pool)
	if err != nil {
		return nil, err
	}
	e.encode = compressor.Payload
	for _, sig := range pipeline.Signals {
		if e.targets[sig], err = c.target(sig); err != nil {
			return nil, err
		}
	}
	e.http, err = delivery.NewHTTP(s, delivery.HTTPOptions{
		Client: c.ClientConfig, Auth: c.Credentials, ContentType: "application/x-protobuf",
		Encoding: compressor.Encoding(), MaxInFlight: c.Places(),
	})
	if err != nil {
		return nil, err
	}
	if e.sender, err = delivery.New(s, c.Options(c.Timeout), e); err != nil {
		return nil, err
	}
	return e, nil
}

// Consume implements pipeline.Sink.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if e.targets[b.Signal] == nil {
		return pipeline.Refuse(0, fmt.Errorf(`cannot send %s: neither "endpoint" nor "%s_endpoint" is set`, b.Signal, b.Signal))
	}
	return e.sender.Send(ctx, b)
}

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	return delivery.One(b, e.encode), nil
}

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *delivery.Payload) delivery.Outcome {
	a := e.http.Post(ctx, e.targets[p.Signal], p)
	out := e.http.Outcome(a)
	if out.Verdict == delivery.Taken {
		out.PartialHTTP(a, e.http.Excerpt)
	}
	return out
}

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	defer e.http.Close()
	return e.sender.Stop(ctx)
}
