// Package ledger accounts for everything that passes through a pipeline. Components use it through pipeline.Books.
package ledger

import (
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// Ledger has one account for each component and signal. A batch enters when the component is called and leaves when
// it answers. At any instant, for each account, in items and bytes:
//
//	in = out + refused + dropped(reason) + held
//
// and for an exporter with a queue on disk, also over restarts (lost is what was dropped out of the queue):
//
//	stored at the start + out = delivered + lost(reason) + stored
//
// It outlives the graph, so that a reload resets no counter.
type Ledger struct {
	mu       sync.Mutex
	accounts map[Key]*Account
	order    []*Account // as made, for stable output
}

// New makes an empty ledger.
func New() *Ledger { return &Ledger{accounts: map[Key]*Account{}} }

// Key identifies an account.
type Key struct {
	Component string // kind/id: "exporter/otlp_http"
	Pipeline  string // "logs": of a processor, or that a connector gives to; else empty
	Signal    pipeline.Signal
}

// Account returns the account of a key, creating it if needed.
func (l *Ledger) Account(kind pipeline.Kind, key Key) *Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d, ok := l.accounts[key]; ok {
		return d
	}
	d := &Account{key: key, kind: kind}
	l.accounts[key] = d
	l.order = append(l.order, d)
	return d
}

func (l *Ledger) all() []*Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*Account(nil), l.order...)
}
