package delivery

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// A Destination is what an exporter knows of its protocol.
type Destination interface {
	// Encode makes the requests of a batch. It is called when there is a place on the wire, so that callers who wait hold
	// no memory.
	Encode(b pipeline.Batch) (Requests, error)
	// Attempt sends a payload once and says what became of it. The context carries the attempt's own timeout, never a
	// caller's. Attempts of one payload do not overlap, but a transport may still be reading for the one before.
	Attempt(ctx context.Context, p *payload.Payload) answer.Outcome
}

// Requests is how a batch becomes requests.
type Requests struct {
	// Groups of payloads: the groups go out side by side, the payloads of a group one after the other, so that what is in
	// one group arrives in order. The Items of all payloads add up to those of the batch that are sent.
	Groups [][]*payload.Payload
	// Pieces says how a payload that was rejected may be cut apart, and which items of the batch it has. It is asked only
	// then, and while the batch is lent. Without it a request is rejected as a whole.
	Pieces func(p *payload.Payload) divide.Pieces
	// Suspects, if set, learns which pieces are rejected, and is asked by Encode.
	Suspects *divide.Suspects
	// Ended is called, if set, with the answer for the batch.
	Ended func(a *pipeline.Answer)
}

// One is the Requests of a destination that takes a batch as it is, in one request.
func One(b pipeline.Batch, encode func(pipeline.Batch) *payload.Payload) Requests {
	return Requests{
		Groups: [][]*payload.Payload{{encode(b)}},
		Pieces: func(*payload.Payload) divide.Pieces { return divide.ByItem(b, encode) },
	}
}

// Send delivers a batch and answers with what became of its items.
func (k *Sender) Send(ctx context.Context, b pipeline.Batch) error {
	k.running.begin()
	defer k.running.finish()
	if err := k.enter(ctx, b.Items, len(b.Request)); err != nil {
		return err
	}
	at := &place{gate: &k.gate}
	at.hold()
	defer at.leave()
	return k.send(ctx, at, b, maxBisections)
}

// maxBisections bounds how often a batch is bisected that is too large to be encoded.
const maxBisections = 8

// send delivers a batch that has a place.
func (k *Sender) send(ctx context.Context, at *place, b pipeline.Batch, bisections int) error {
	reqs, err := k.dest.Encode(b)
	if rej, never := pipeline.AsRejected(err); never && rej.Reason == pipeline.DropTooLarge && b.Items > 1 && bisections > 0 {
		g := pipeline.NewGather(b.Items)
		half := b.Items / 2
		for _, r := range []pipeline.Range{{From: 0, To: half}, {From: half, To: b.Items}} {
			err := k.send(ctx, at, b.Cut(r.From, r.To), bisections-1)
			g.Add(err, r.To-r.From, pipeline.ItemMap{{From: r.From, N: r.To - r.From}})
		}
		return g.Err()
	}
	if err != nil {
		return err
	}
	s := sending{k: k, ctx: ctx, at: at, reqs: reqs, whole: len(reqs.Groups) == 1 && len(reqs.Groups[0]) == 1, gather: pipeline.NewGather(b.Items)}
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

// sending is one batch on its way.
type sending struct {
	k     *Sender
	ctx   context.Context
	at    *place
	reqs  Requests
	whole bool // one request has all of the batch

	mu        sync.Mutex
	gather    *pipeline.Gather
	delivered int      // items
	taken     []uint64 // hashes of the requests that were taken, unless one has all of the batch
}

// groups delivers all requests, those of different groups side by side.
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

// group delivers requests one after the other. One that is rejected does not hold the others back; one that is refused
// does, since what is behind it may have to come after it.
func (s *sending) group(group []*payload.Payload) {
	for i, p := range group {
		s.at.hold()
		p.Keep()
		err := s.k.deliver(s.ctx, s.at, p)
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

// took notes that a request was taken.
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

// comesAgain is for a batch of which something is refused: its caller sends all of it again if it cannot cut it. What was
// delivered although it is refused is counted, and requests that were taken are known when they come again.
func (s *sending) comesAgain(sig pipeline.Signal, taken int) {
	if n := s.delivered - taken; n > 0 {
		s.k.settings.DeliveredAfterRefusal(sig, n)
	}
	s.k.sent.add(s.taken...)
}

// settle notes the answer for one request, and divides it if it was rejected as a whole.
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rej := range pipeline.Read(err, p.Items).Rejected { // a partial success
		s.gather.Reject(rej)
	}
}

// refuse notes that the items of a request may be sent again.
func (s *sending) refuse(p *payload.Payload, why *pipeline.Refused) {
	var items pipeline.Ranges
	if !s.whole && s.reqs.Pieces != nil {
		pieces := s.reqs.Pieces(p)
		items = pieces.Items(0, pieces.Len())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gather.Refuse(items, why) // without items: all
}

// divider divides what is rejected of this batch.
func (s *sending) divider() *divide.Divider {
	return &divide.Divider{
		Deliver: func(ctx context.Context, p *payload.Payload) error {
			s.at.hold()
			return s.k.deliver(ctx, s.at, p)
		},
		AlreadyThere: s.k.alreadyThere, History: &s.k.history, Suspects: s.reqs.Suspects, Log: s.k.settings.Log,
	}
}
