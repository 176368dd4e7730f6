// Package pipelinetest has helpers for tests of components.
package pipelinetest

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
)

// Settings are those of a component named typ, logging to the test, and the ledger of its accounts.
func Settings(t testing.TB, kind pipeline.Kind, typ string) (pipeline.Settings, *ledger.Ledger) {
	t.Helper()
	l := ledger.New()
	s := SettingsOf(l, kind, pipeline.ID{Type: typ}, pipeline.Signals[:]...)
	s.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.DataDir = t.TempDir()
	return s, l
}

// SettingsOf are settings with an account of l for each signal, for processes without a test.
func SettingsOf(l *ledger.Ledger, kind pipeline.Kind, id pipeline.ID, signals ...pipeline.Signal) pipeline.Settings {
	s := pipeline.Settings{
		ID: id, Kind: kind, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Budget: pipeline.NewBudget(1 << 30), Version: "test",
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, network, address)
		},
		View: pipeline.View{Ledger: l, Config: &pipeline.Config{}, Components: func() []any { return nil }}, Listeners: listen.New(), Estates: pipeline.NewEstates(),
	}
	var accounts []*ledger.Account
	for _, sig := range signals {
		accounts = append(accounts, l.Account(kind, ledger.Key{Component: s.Name(), Signal: sig}))
	}
	s.Books = ledger.NewBooks(s.Name(), accounts...)
	return s
}

// Recorder keeps a copy of every batch that is answered with nil. Answer, if set, is the answer.
type Recorder struct {
	Answer func(ctx context.Context, b pipeline.Batch) error

	mu      sync.Mutex
	batches []pipeline.Batch
}

// Consume implements pipeline.Sink.
func (r *Recorder) Consume(ctx context.Context, b pipeline.Batch) error {
	if r.Answer != nil {
		if err := r.Answer(ctx, b); err != nil {
			return err
		}
	}
	b.Request = bytes.Clone(b.Request)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.batches = append(r.batches, b)
	return nil
}

// Batches returns the kept batches, in order.
func (r *Recorder) Batches() []pipeline.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pipeline.Batch(nil), r.batches...)
}

// Items is the sum of their items.
func (r *Recorder) Items() int {
	n := 0
	for _, b := range r.Batches() {
		n += b.Items
	}
	return n
}

// Counter takes everything and counts: a null sink for benchmarks.
type Counter struct{ Requests, Items, Bytes atomic.Int64 }

// Consume implements pipeline.Sink.
func (c *Counter) Consume(_ context.Context, b pipeline.Batch) error {
	c.Requests.Add(1)
	c.Items.Add(int64(b.Items))
	c.Bytes.Add(int64(len(b.Request)))
	return nil
}
