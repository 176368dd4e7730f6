package delivery

import (
	"context"
	"fmt"
	"sync"

	"github.com/sluiceio/sluice/pipeline"
)

// Requests is how a batch becomes several requests.
type Requests struct {
	// Encode makes groups of payloads. The Items of all payloads add up to those of the batch that are sent.
	Encode func(pipeline.Batch) ([][]*Payload, error)
	// Rest makes the sink that the parts of a merged batch go to when some of its requests were taken and others
	// rejected. It leaves out what only the bodies of those that were taken have; their bytes are lent for the call.
	Rest func(taken, rejected []*Buffer) pipeline.Sink
}

// SendParts delivers a batch as several requests, on one place. The groups go out side by side, the payloads of a group
// one after the other, so that what is in one group arrives in order.
//
// When a payload is refused, so is the call, and what its group has left is not sent. The caller comes back with
// everything, and what had arrived arrives again: for destinations to which that does no harm.
func (k *Sender) SendParts(ctx context.Context, b pipeline.Batch, reqs Requests) error {
	k.running.begin()
	defer k.running.finish()
	if err := k.enter(ctx, b.Items, len(b.Request)); err != nil {
		return err
	}
	at := &place{gate: &k.gate}
	at.hold()
	defer at.leave()
	groups, err := reqs.Encode(b)
	if err != nil {
		return err
	}
	var all []request
	for _, group := range groups {
		for _, p := range group {
			all = append(all, request{payload: p})
		}
	}
	if len(b.Parts) > 1 && len(all) > 1 {
		for i := range all {
			all[i].body = all[i].payload.Buffer()
			defer all[i].body.Release()
		}
	}
	k.deliverGroups(ctx, at, groups, all)
	return together(all, reqs.Rest)
}

// request is one of those that a batch becomes, and what became of it.
type request struct {
	payload *Payload
	body    *Buffer // a reference of its own, when the batch may be divided
	err     error
}

// deliverGroups delivers all requests, those of different groups side by side.
func (k *Sender) deliverGroups(ctx context.Context, at *place, groups [][]*Payload, all []request) {
	var others sync.WaitGroup
	for i, group := range groups {
		some := all[:len(group)]
		all = all[len(group):]
		if i == len(groups)-1 {
			k.deliverAll(ctx, at, some)
			break
		}
		others.Go(func() { k.deliverAll(ctx, at, some) })
	}
	others.Wait()
}

// deliverAll delivers a group. A rejected payload does not hold the others back.
func (k *Sender) deliverAll(ctx context.Context, at *place, group []request) {
	for i := range group {
		at.hold()
		group[i].err = k.deliver(ctx, at, group[i].payload)
		if _, refused := pipeline.AsRefused(group[i].err); refused {
			for _, rest := range group[i+1:] {
				rest.payload.release()
			}
			return
		}
	}
}

// together makes one answer of many: refused if one is, else rejected with the sum of what was, else nil.
func together(all []request, rest func(taken, rejected []*Buffer) pipeline.Sink) error {
	answer := pipeline.Rejected{Divide: true}
	var taken, rejected []*Buffer
	for _, r := range all {
		if _, refused := pipeline.AsRefused(r.err); refused {
			return r.err
		}
		rej, never := pipeline.AsRejected(r.err)
		if !never {
			taken = append(taken, r.body)
			continue
		}
		if rejected = append(rejected, r.body); len(rejected) == 1 {
			answer.Reason, answer.Err = rej.Reason, rej.Err
		}
		answer.Items += rej.Items
		answer.Divide = answer.Divide && rej.Divide
	}
	if len(taken) > 0 && len(rejected) > 0 {
		if answer.Divide = answer.Divide && taken[0] != nil; answer.Divide {
			answer.Rest = rest(taken, rejected)
		}
	}
	if answer.Items == 0 && answer.Rest == nil { // nothing, or only what is not an item of the batch
		return nil
	}
	if len(rejected) > 1 {
		answer.Err = fmt.Errorf("%d requests were rejected, the first of them: %w", len(rejected), answer.Err)
	}
	return &answer
}
