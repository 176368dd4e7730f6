// Package loki is the exporter that pushes logs to Loki.
package loki

import (
	"cmp"
	"context"
	"hash/maphash"
	"time"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

const tenantHeader = "X-Scope-OrgID"

// Exporter is the component.
type Exporter struct {
	httpclient.Exporter
	config   *Config
	encoders chan *encoder // idle
	suspects divide.Suspects
	seed     maphash.Seed
}

// New makes the exporter; it connects with the first request.
func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{config: c, seed: maphash.MakeSeed(), encoders: make(chan *encoder, c.Places())}
	var err error
	if e.Target, err = c.target(); err != nil {
		return nil, err
	}
	// The protocol's snappy compression has no Content-Encoding.
	if err = e.Init(s, &c.Config, httpclient.Protocol{}, e); err != nil {
		return nil, err
	}
	return e, nil
}

// Encode implements delivery.Destination.
func (e *Exporter) Encode(b pipeline.Batch) (delivery.Requests, error) {
	var k *encoder
	select {
	case k = <-e.encoders:
	default:
		k = newEncoder(e.config, &e.Pool, &e.suspects, e.seed)
	}
	groups, err := k.encode(b, uint64(time.Now().UnixNano()))
	select {
	case e.encoders <- k:
	default:
	}
	return delivery.Requests{
		Groups: groups, Suspects: &e.suspects,
		Pieces: func(p *payload.Payload) divide.Pieces { return e.cutStreams(b, p) },
	}, err
}

func (e *Exporter) Attempt(ctx context.Context, p *payload.Payload) answer.Outcome {
	if tenant := cmp.Or(e.config.TenantID, p.Tenant); tenant != "" {
		return e.Client.Post(ctx, e.Target, p, tenantHeader, tenant).Outcome
	}
	return e.Exporter.Attempt(ctx, p)
}
