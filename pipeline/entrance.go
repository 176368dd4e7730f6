package pipeline

import "context"

// entrance is the account of a component as the caller sees it: a Sink that books every batch in and out.
type entrance struct {
	door *door
	next Sink
}

func (e *entrance) Consume(ctx context.Context, b Batch) error {
	e.door.enter(b.Items, len(b.Request))
	err := e.next.Consume(ctx, b)
	e.door.leave(b.Items, len(b.Request), err)
	return err
}
