package otlp

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
)

// Receiver has one or two listeners and a shared intake.
type Receiver struct {
	in        *intake
	listeners []listener
}

type listener interface {
	start(ctx context.Context) error
	stop(ctx context.Context)
}

// New makes the receiver; Start listens.
func New(s pipeline.Settings, cfg *Config, out pipeline.Outputs) (any, error) {
	in, err := newIntake(s, cfg, out)
	if err != nil {
		return nil, err
	}
	r := &Receiver{in: in}
	if cfg.Protocols.GRPC.HasValue() {
		r.listeners = append(r.listeners, newGRPC(s, cfg, in))
	}
	if cfg.Protocols.HTTP.HasValue() {
		r.listeners = append(r.listeners, newHTTP(s, cfg, in))
	}
	return r, nil
}

// Start opens the listeners. If the engine leaves one out, because the embedded default's port is taken, the other still
// starts. On an error nothing listens.
func (r *Receiver) Start(ctx context.Context) error {
	r.in.inherit()
	for _, l := range r.listeners {
		if err := l.start(ctx); err != nil && !errors.Is(err, listen.ErrLeftOut) {
			over, cancel := context.WithCancel(ctx)
			cancel()
			return errors.Join(err, r.Stop(over)) // the engine does not stop what failed to start
		}
	}
	return nil
}

// Stop refuses new requests and waits for running ones until ctx ends.
func (r *Receiver) Stop(ctx context.Context) error {
	defer context.AfterFunc(ctx, r.in.end)()
	defer r.in.end()
	var wg sync.WaitGroup
	for _, l := range r.listeners {
		wg.Go(func() { l.stop(ctx) })
	}
	wg.Wait()
	r.in.set.Leave(seenEstate, r.in.seen.Load())
	return nil
}

// telemetry discards what the Collector's server configurations report.
func telemetry() component.TelemetrySettings {
	return component.TelemetrySettings{
		Logger:         zap.NewNop(),
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metricnoop.NewMeterProvider(),
	}
}

var (
	_ pipeline.Starter = (*Receiver)(nil)
	_ pipeline.Stopper = (*Receiver)(nil)
)
