// Package pipelinetest has what the tests of components share: Settings, and sinks that remember or count.
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

// Settings are those of a component named typ in a graph of its own, logging to the test. The ledger is the one
// that its Drop and Delivered calls are booked in.
func Settings(t testing.TB, kind pipeline.Kind, typ string) (pipeline.Settings, *ledger.Ledger) {
	t.Helper()
	l := ledger.New()
	s := SettingsOf(l, kind, pipeline.ID{Type: typ}, pipeline.Signals[:]...)
	s.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.DataDir = t.TempDir()
	return s, l
}

// SettingsOf are those of a component with an account of a ledger for each signal, for processes without a test.
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

// Recorder keeps a copy of every batch. Answer, when set, decides what Consume returns; the batch is kept only
// when it answers nil.
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

// Batches returns what was kept so far, in order.
func (r *Recorder) Batches() []pipeline.Batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]pipeline.Batch(nil), r.batches...)
}

// Items is the sum of the kept batches' items.
func (r *Recorder) Items() int {
	n := 0
	for _, b := range r.Batches() {
		n += b.Items
	}
	return n
}

// Counter takes everything and keeps only sums: the null sink of benchmarks.
type Counter struct{ Requests, Items, Bytes atomic.Int64 }

// Consume implements pipeline.Sink.
func (c *Counter) Consume(_ context.Context, b pipeline.Batch) error {
	c.Requests.Add(1)
	c.Items.Add(int64(b.Items))
	c.Bytes.Add(int64(len(b.Request)))
	return nil
}
