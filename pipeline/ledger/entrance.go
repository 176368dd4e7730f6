package pipeline

import "context"

// booked marks a call whose items a receiver has booked at its own account already, because they waited in front of it.
type booked struct{}

// entrance is the account of a component as the caller sees it: a Sink that books every batch in and out.
type entrance struct {
	account *account
	next    Sink
}

func (e *entrance) Consume(ctx context.Context, b Batch) error {
	if e.account.kind == KindReceiver && ctx.Value(booked{}) == e.account {
		return e.next.Consume(ctx, b)
	}
	e.account.enter(b.Items, len(b.Request))
	err := e.next.Consume(ctx, b)
	e.account.leave(b.Items, len(b.Request), err)
	return err
}

// A Holding is the account of a receiver that holds batches before it hands them on: what waits counts as held. Batches
// that enter here are handed on with the context of Booked, so that they are not booked twice, however the receiver
// wraps its output.
type Holding struct {
	account *account
}

// Holding is the receiver's account of a signal.
func (s Settings) Holding(sig Signal) Holding {
	if d := s.accounts.of(sig); d != nil {
		return Holding{d}
	}
	return Holding{&account{key: accountKey{component: s.Name(), signal: sig}, kind: KindReceiver}}
}

// Enter books what begins to wait.
func (h Holding) Enter(items, bytes int) { h.account.enter(items, bytes) }

// Leave books the answer for what waited.
func (h Holding) Leave(items, bytes int, answer error) { h.account.leave(items, bytes, answer) }

// Evict books what waited and will not be handed on.
func (h Holding) Evict(why Reason, items, bytes int) { h.account.evict(why, items, bytes) }

// Booked is the context to hand on with.
func (h Holding) Booked(ctx context.Context) context.Context {
	return context.WithValue(ctx, booked{}, h.account)
}
