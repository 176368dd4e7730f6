package delivery

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// SendParts delivers a batch as several requests, on one place. The groups that encode makes go out side by side, the
// payloads of a group one after the other, so that what is in one group arrives in order. The Items of all payloads
// add up to those of the batch that are sent.
//
// When a payload is refused, so is the call, and what its group has left is not sent. The caller comes back with
// everything, and what had arrived arrives again: for destinations to which that does no harm.
func (k *Sender) SendParts(ctx context.Context, b pipeline.Batch, encode func(pipeline.Batch) ([][]*Payload, error)) error {
	k.running.begin()
	defer k.running.finish()
	if err := k.enter(ctx, b.Items, len(b.Request)); err != nil {
		return err
	}
	at := &place{gate: &k.gate}
	at.hold()
	defer at.leave()
	groups, err := encode(b)
	if err != nil {
		return err
	}
	answers := make([]error, len(groups))
	var others sync.WaitGroup
	for i, group := range groups {
		if i == len(groups)-1 {
			answers[i] = k.deliverAll(ctx, at, group)
			break
		}
		others.Go(func() { answers[i] = k.deliverAll(ctx, at, group) })
	}
	others.Wait()
	return together(answers)
}

// deliverAll delivers a group. A rejected payload does not hold the others back.
func (k *Sender) deliverAll(ctx context.Context, at *place, group []*Payload) error {
	answers := make([]error, 0, len(group))
	for i, p := range group {
		at.hold()
		err := k.deliver(ctx, at, p)
		if _, refused := pipeline.AsRefused(err); refused {
			for _, rest := range group[i+1:] {
				rest.release()
			}
			return err
		}
		answers = append(answers, err)
	}
	return together(answers)
}

// together makes one answer of many: refused if one is, else rejected with the sum of what was, else nil.
func together(answers []error) error {
	var first *pipeline.Rejected
	items, requests, divide := 0, 0, true
	for _, err := range answers {
		if _, refused := pipeline.AsRefused(err); refused {
			return err
		}
		r, rejected := pipeline.AsRejected(err)
		divide = divide && rejected && r.Divide
		if rejected {
			items += r.Items
			requests++
			if first == nil {
				first = r
			}
		}
	}
	switch {
	case items == 0: // nothing, or only what is not an item of the batch
		return nil
	case requests == 1:
		return &pipeline.Rejected{Items: first.Items, Reason: first.Reason, Divide: divide, Err: first.Err}
	}
	return &pipeline.Rejected{
		Items: items, Reason: first.Reason, Divide: divide,
		Err: fmt.Errorf("%d requests were rejected, the first of them: %w", requests, first.Err),
	}
}
