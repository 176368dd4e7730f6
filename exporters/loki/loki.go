// Package loki is the exporter that pushes logs to Loki.
package loki

import (
	"context"
	"hash/maphash"
	"net/url"
	"time"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/pipeline"
)

// tenantHeader is how Loki is told whose logs these are.
const tenantHeader = "X-Scope-OrgID"

// Exporter is the component.
type Exporter struct {
	sender   *delivery.Sender
	http     *delivery.HTTP
	target   *url.URL
	tenant   string
	encoders chan *encoder // idle ones
	config   *Config
	pool     delivery.Pool
	suspects delivery.Suspects
	seed     maphash.Seed
}

// New makes the exporter. It connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{tenant: c.TenantID, config: c, seed: maphash.MakeSeed(), encoders: make(chan *encoder, c.Places())}
	var err error
	if e.target, err = c.target(); err != nil {
		return nil, err
	}
	e.http, err = delivery.NewHTTP(s, delivery.HTTPOptions{
		Client: c.ClientConfig, Auth: c.Credentials, ContentType: "application/x-protobuf", MaxInFlight: c.Places(),
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
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error { return e.sender.Send(ctx, b) }

// Encode implements delivery.Destination, with an encoder that is idle.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	var k *encoder
	select {
	case k = <-e.encoders:
	default:
		k = newEncoder(e.config, &e.pool, &e.suspects, e.seed)
	}
	groups, err := k.encode(b, uint64(time.Now().UnixNano()))
	select {
	case e.encoders <- k:
	default:
	}
	return delivery.Requests{Groups: groups, Pieces: func(p *delivery.Payload) delivery.Pieces { return e.cutStreams(b, p) }}, err
}

// Attempt implements delivery.Destination.
func (e *Exporter) Attempt(ctx context.Context, p *delivery.Payload) delivery.Outcome {
	tenant := e.tenant
	if tenant == "" {
		tenant = p.Tenant
	}
	if tenant == "" {
		return e.http.Outcome(e.http.Post(ctx, e.target, p))
	}
	return e.http.Outcome(e.http.Post(ctx, e.target, p, tenantHeader, tenant))
}

// Stop implements pipeline.Stopper.
func (e *Exporter) Stop(ctx context.Context) error {
	defer e.http.Close()
	return e.sender.Stop(ctx)
}
