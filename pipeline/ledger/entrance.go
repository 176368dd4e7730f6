package ledger

import (
	"context"

	"github.com/sluiceio/sluice/pipeline"
)

// booked marks calls that a receiver has already booked through its Holding.
type booked struct{}

type entrance struct {
	account *Account
	next    pipeline.Sink
}

// Entrance wraps a component's sink with its account.
func (d *Account) Entrance(next pipeline.Sink) pipeline.Sink {
	return &entrance{account: d, next: next}
}

func (e *entrance) Consume(ctx context.Context, b pipeline.Batch) error {
	if e.account.kind == pipeline.KindReceiver && ctx.Value(booked{}) == e.account {
		return e.next.Consume(ctx, b)
	}
	e.account.enter(b.Items, len(b.Request))
	err := e.next.Consume(ctx, b)
	e.account.leave(b.Items, len(b.Request), err)
	return err
}
