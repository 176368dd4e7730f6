package pipeline

import (
	"context"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
)

// Settings makes the Settings of one component, with a account of this ledger for each signal. It is for tests
// that look at a component's accounting; the graph makes its own.
func (l *Ledger) Settings(kind Kind, id ID, signals ...Signal) Settings {
	s := Settings{
		ID: id, Kind: kind, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
		Budget: NewBudget(1 << 30), Version: "test",
		Listen: func(ctx context.Context, network, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, network, address)
		},
		View: View{Ledger: l, Config: &Config{}}, accounts: &accountSet{}, listeners: listen.New(),
	}
	for _, sig := range signals {
		s.accounts.accounts[sig] = l.account(kind, accountKey{component: s.Name(), signal: sig})
	}
	return s
}

// Entrance wraps a component's sink so that every batch is booked at the component's account, as the graph does.
func (s Settings) Entrance(sig Signal, next Sink) Sink {
	return &entrance{account: s.accounts.of(sig), next: next}
}
