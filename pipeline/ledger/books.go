package ledger

import (
	"context"

	"github.com/sluiceio/sluice/pipeline"
)

// Books are the accounts of one component.
type Books struct {
	name     string
	accounts [len(pipeline.Signals) + 1]*Account
}

// NewBooks takes an account for each signal.
func NewBooks(name string, accounts ...*Account) *Books {
	b := &Books{name: name}
	for _, d := range accounts {
		b.accounts[d.key.Signal] = d
	}
	return b
}

func (b *Books) of(sig pipeline.Signal) *Account {
	if int(sig) < len(b.accounts) && b.accounts[sig] != nil {
		return b.accounts[sig]
	}
	return &Account{key: Key{Component: b.name, Signal: sig}} // on nobody's books
}

// Drop implements pipeline.Books.
func (b *Books) Drop(why pipeline.Reason, sig pipeline.Signal, items, bytes int) {
	if items > 0 {
		b.of(sig).drop(why, items, max(bytes, 0)) // a request that was edited, too, may have grown
	}
}

// Delivered implements pipeline.Books.
func (b *Books) Delivered(sig pipeline.Signal, items, bytes int) { b.of(sig).confirm(items, bytes) }

// DeliveredAfterRefusal implements pipeline.Books.
func (b *Books) DeliveredAfterRefusal(sig pipeline.Signal, items int) {
	b.of(sig).DeliveredAfterRefusal(items)
}

// Stored implements pipeline.Books.
func (b *Books) Stored(sig pipeline.Signal, items, bytes int) { b.of(sig).store(items, bytes) }

// Unstored implements pipeline.Books.
func (b *Books) Unstored(sig pipeline.Signal, items, bytes int) { b.of(sig).store(-items, -bytes) }

// Restored implements pipeline.Books.
func (b *Books) Restored(sig pipeline.Signal, held pipeline.Amount) { b.of(sig).restore(held) }

// Lost implements pipeline.Books.
func (b *Books) Lost(why pipeline.Reason, sig pipeline.Signal, items, bytes int) {
	b.of(sig).lose(why, items, bytes)
}

// Entrance implements pipeline.Books.
func (b *Books) Entrance(sig pipeline.Signal, next pipeline.Sink) pipeline.Sink {
	return b.of(sig).Entrance(next)
}

// Holding implements pipeline.Books.
func (b *Books) Holding(sig pipeline.Signal) pipeline.Holding { return holding{b.of(sig)} }

type holding struct{ account *Account }

func (h holding) Enter(items, bytes int)                      { h.account.enter(items, bytes) }
func (h holding) Leave(items, bytes int, answer error)        { h.account.leave(items, bytes, answer) }
func (h holding) Evict(why pipeline.Reason, items, bytes int) { h.account.evict(why, items, bytes) }
func (h holding) Booked(ctx context.Context) context.Context {
	return context.WithValue(ctx, booked{}, h.account)
}
