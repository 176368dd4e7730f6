package delivery

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// A Destination is the protocol part of an exporter.
type Destination interface {
	// Encode makes the requests of a batch. Called when there is a place, so that waiting callers use no memory.
	Encode(b pipeline.Batch) (Requests, error)
	// Attempt sends a payload once. ctx has the attempt's timeout, not the caller's. Attempts of one payload do not
	// overlap, but a transport may still read for the previous one.
	Attempt(ctx context.Context, p *payload.Payload) answer.Outcome
}

// Requests is a batch encoded as requests.
type Requests struct {
	// Groups are sent concurrently, the payloads of a group in order. The Items of all payloads sum to the batch
	// items that are sent.
	Groups [][]*payload.Payload
	// Pieces says how a rejected payload can be cut. Called only on rejection, while the batch is lent. If nil, a
	// request is rejected as a whole.
	Pieces func(p *payload.Payload) divide.Pieces
	// Suspects, if set, learns which pieces are rejected, and is asked by Encode.
	Suspects *divide.Suspects
	// Ended is called, if set, with the answer for the batch.
	Ended func(a *pipeline.Answer)
}

// One is the Requests of a destination that takes a batch in one request.
func One(b pipeline.Batch, encode func(pipeline.Batch) *payload.Payload) Requests {
	return Requests{
		Groups: [][]*payload.Payload{{encode(b)}},
		Pieces: func(*payload.Payload) divide.Pieces { return divide.ByItem(b, encode) },
	}
}

// Send delivers a batch and returns the fate of its items.
func (k *Sender) Send(ctx context.Context, b pipeline.Batch) error {
	k.running.begin()
	defer k.running.finish()
	if k.disk != nil {
		return k.disk.put(ctx, b)
	}
	if err := k.enter(ctx, b.Items, len(b.Request)); err != nil {
		return err
	}
	at := &place{gate: &k.gate}
	at.hold()
	defer at.leave()
	return k.send(ctx, at, b, manner{bisections: maxBisections})
}

// maxBisections bounds the bisection of a batch that is too large to encode.
const maxBisections = 8

// manner is how a batch is sent.
type manner struct {
	bisections int          // that are left
	once       bool         // one attempt, without retries: for a queue, which takes back what is refused
	maybe      bool         // the destination may have it
	unsure     *atomic.Bool // set when an attempt had no answer; may be nil
	id         string       // of a record of the queue; empty without one
}

// send delivers a batch that has a place.
func (k *Sender) send(ctx context.Context, at *place, b pipeline.Batch, how manner) error {
	reqs, err := k.dest.Encode(b)
	if rej, never := pipeline.AsRejected(err); never && rej.Reason == pipeline.DropTooLarge && b.Items > 1 && how.bisections > 0 {
		g := pipeline.NewGather(b.Items)
		half := b.Items / 2
		for _, r := range []pipeline.Range{{From: 0, To: half}, {From: half, To: b.Items}} {
			err := k.send(ctx, at, b.Cut(r.From, r.To), manner{bisections: how.bisections - 1, once: how.once, maybe: how.maybe, unsure: how.unsure})
			g.Add(err, r.To-r.From, pipeline.ItemMap{{From: r.From, N: r.To - r.From}})
		}
		return g.Err()
	}
	if err != nil {
		return err
	}
	return k.sendAll(ctx, at, b, reqs, how)
}

// sendAll delivers a batch that is encoded.
func (k *Sender) sendAll(ctx context.Context, at *place, b pipeline.Batch, reqs Requests, how manner) error {
	s := sending{k: k, ctx: ctx, at: at, reqs: reqs, how: how, whole: len(reqs.Groups) == 1 && len(reqs.Groups[0]) == 1, gather: pipeline.NewGather(b.Items)}
	for _, group := range reqs.Groups {
		for _, p := range group {
			if how.maybe {
				p.Unanswered()
			}
			if how.id != "" && s.whole {
				p.SetID(how.id)
			}
			k.ids.recall(p)
		}
	}
	s.groups()
	a := s.gather.Answer()
	if a.Refusal != nil {
		s.comesAgain(b.Signal, a.Taken())
	}
	if reqs.Ended != nil {
		reqs.Ended(&a)
	}
	return a.Err()
}

type sending struct {
	k     *Sender
	ctx   context.Context
	at    *place
	reqs  Requests
	how   manner
	whole bool // one request has all of the batch

	mu        sync.Mutex
	gather    *pipeline.Gather
	delivered int      // items
	taken     []uint64 // hashes of the requests that were taken, unless one has all of the batch
}

func (s *sending) groups() {
	var others sync.WaitGroup
	for i, group := range s.reqs.Groups {
		if i == len(s.reqs.Groups)-1 {
			s.group(group)
			break
		}
		others.Go(func() { s.group(group) })
	}
	others.Wait()
}

// group delivers requests in order. After a refusal the rest is refused too, since it may have to arrive in order.
func (s *sending) group(group []*payload.Payload) {
	for i, p := range group {
		s.at.hold()
		p.Keep()
		err := s.k.deliver(s.ctx, s.at, p, s.how)
		if err != nil {
			s.settle(p, err)
		} else {
			s.took(p)
		}
		p.Forget()
		if ref, refused := pipeline.AsRefused(err); refused {
			for _, rest := range group[i+1:] {
				rest.Keep()
				rest.Release()
				s.refuse(rest, ref)
				rest.Forget()
			}
			return
		}
	}
}

func (s *sending) took(p *payload.Payload) {
	if p.Apart {
		s.reqs.Suspects.Clear(s.reqs.Pieces(p))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered += p.Items
	if body := p.Body(); body != nil && !s.whole {
		s.taken = append(s.taken, s.k.sent.hash(body))
	}
}

// comesAgain handles a partly refused batch, whose caller may send all of it again: it counts what was delivered
// and remembers those requests.
func (s *sending) comesAgain(sig pipeline.Signal, taken int) {
	if n := s.delivered - taken; n > 0 {
		s.k.settings.DeliveredAfterRefusal(sig, n)
	}
	s.k.sent.add(s.taken...)
}

// settle notes the result of a request, and divides it if it was rejected as a whole.
func (s *sending) settle(p *payload.Payload, err error) {
	if rej := divide.Whole(err, p.Items); rej != nil && s.reqs.Pieces != nil {
		g := pipeline.NewGather(s.gather.Items())
		s.divider().Divide(s.ctx, divide.Rejection{Request: p, Pieces: s.reqs.Pieces(p), Why: rej}, g)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gather.Merge(g)
		return
	}
	if ref, refused := pipeline.AsRefused(err); refused {
		s.refuse(p, ref)
		return
	}
	items := s.items(p)
	if s.whole {
		items = pipeline.AllItems(s.gather.Items())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	divide.Partial(s.gather, err, p.Items, items)
}

func (s *sending) refuse(p *payload.Payload, why *pipeline.Refused) {
	items := s.items(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather.Refuse(items, why) // without items: all
}

// items are those of the batch that are in a request; nil for all, or when nobody knows.
func (s *sending) items(p *payload.Payload) pipeline.Ranges {
	if s.whole || s.reqs.Pieces == nil {
		return nil
	}
	pieces := s.reqs.Pieces(p)
	return pieces.Items(0, pieces.Len())
}

func (s *sending) divider() *divide.Divider {
	return &divide.Divider{
		Deliver: func(ctx context.Context, p *payload.Payload) error {
			s.at.hold()
			return s.k.deliver(ctx, s.at, p, s.how)
		},
		AlreadyThere: s.k.alreadyThere, History: &s.k.history, Suspects: s.reqs.Suspects, Log: s.k.settings.Log,
	}
}
