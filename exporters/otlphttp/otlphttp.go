// Package otlphttp is the exporter that posts OTLP requests, unchanged, to any OTLP/HTTP endpoint.
package otlphttp

import (
	"context"
	"fmt"
	"net/url"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

// Exporter is the component.
type Exporter struct {
	httpclient.Exporter
	compressor *payload.Compressor
	carries    bool // the body is the request as it is, compressed
	payload    func(pipeline.Batch) *payload.Payload
	targets    [pipeline.Traces + 1]*url.URL // by signal; nil where none is configured
}

// New makes the exporter; it connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{}
	var err error
	for _, sig := range pipeline.Signals {
		if e.targets[sig], err = c.target(sig); err != nil {
			return nil, fmt.Errorf("cannot use the endpoint for %s: %w", sig, err)
		}
	}
	if e.compressor, err = payload.NewCompressor(c.Compression, int(c.CompressionParams.Level), &e.Pool); err != nil {
		return nil, err
	}
	protocol := httpclient.Protocol{Encoding: e.compressor.Encoding()}
	e.payload, e.carries = e.compressor.Payload, c.Encoding != encodingJSON
	if c.Encoding == encodingJSON {
		protocol.ContentType, e.payload = "application/json", e.json
	}
	if err = e.Init(s, &c.Config, protocol, e); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if e.targets[b.Signal] == nil {
		return pipeline.Refuse(0, fmt.Errorf(`cannot send %s: neither "endpoint" nor "%s_endpoint" is set`, b.Signal, b.Signal))
	}
	return e.Exporter.Consume(ctx, b)
}

// A request of nearly only empty elements may become many times its bytes of JSON. Above maxText it is halved.
const (
	maxText = 16 << 20
	usual   = 4  // how much JSON others make, at most
	hollow  = 16 // and these
)

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	if !e.carries && b.Items > 1 && len(b.Request) > maxText/hollow {
		if n := otlpjson.Size(b.Signal, b.Request); n > max(maxText, usual*len(b.Request)) {
			return delivery.Requests{}, pipeline.Reject(0, pipeline.DropTooLarge, fmt.Errorf("%d bytes of OTLP would be %d bytes of JSON", len(b.Request), n))
		}
	}
	return delivery.One(b, e.payload), nil
}

// Carries implements delivery.Carrier.
func (e *Exporter) Carries() *payload.Compressor {
	if e.carries {
		return e.compressor
	}
	return nil
}

func (e *Exporter) json(b pipeline.Batch) *payload.Payload {
	text := e.Pool.Get(2 * len(b.Request))
	text.B = otlpjson.Append(text.B, b.Signal, b.Request)
	if e.compressor.Encoding() == "" {
		return payload.Own(b, text)
	}
	defer text.Release()
	return payload.Own(b, e.compressor.Compress(text.B))
}

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	return e.Client.PostOTLP(ctx, e.targets[p.Signal], p)
}
