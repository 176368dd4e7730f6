// Package batch merges requests of many callers into fewer, larger ones.
//
// A caller is answered only with the fate of its own items; nothing is acknowledged early. A merged request is sent
// when it is full, at the timeout, or when no other caller is expected, judged by recent ones (peers.go). So a lone
// client never waits, and a thousand agents with small requests become a few requests a second.
package batch

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the batch processor.
type Processor struct {
	config   Config
	settings pipeline.Settings
	next     pipeline.Sink

	mu     sync.Mutex
	keys   map[key]*keyState
	closed chan struct{} // closed when the drain's time has ended
	once   sync.Once
	sends  sync.WaitGroup
}

// key is what must be equal to merge.
type key struct {
	tenant, route string
	metadata      pipeline.Metadata
}

type keyState struct {
	outstanding int
	open        *pending // the one that callers are added to; nil when nobody waits
	peers       peers
	used        time.Time
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	return &Processor{config: *c, settings: s, next: next, keys: map[key]*keyState{}, closed: make(chan struct{})}, nil
}

// Consume sends the batch on, alone or merged, and returns its fate.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	if max := p.config.SendBatchMaxSize; max > 0 && b.Items > max {
		return p.split(ctx, b)
	}
	return p.one(ctx, b)
}

// newKey makes the state of a key, and drops idle ones. It is nil when there are too many. p.mu must be held.
func (p *Processor) newKey(k key) *keyState {
	for other, st := range p.keys {
		if st.outstanding == 0 && st.open == nil && time.Since(st.used) > keyIdle {
			delete(p.keys, other)
		}
	}
	if most := p.config.MetadataCardinalityLimit; most > 0 && len(p.keys) >= most {
		return nil
	}
	st := &keyState{peers: newPeers()}
	p.keys[k] = st
	return st
}

const keyIdle = time.Minute

func (p *Processor) one(ctx context.Context, b pipeline.Batch) error {
	k := key{b.Origin.Tenant, b.Origin.Route, b.Origin.Metadata}
	p.mu.Lock()
	st := p.keys[k]
	if st == nil {
		if st = p.newKey(k); st == nil {
			p.mu.Unlock()
			return p.next.Consume(ctx, b)
		}
	}
	st.used = time.Now()
	from := st.peers.arrive(b.Origin.Peer)
	if st.open == nil && st.outstanding < p.config.MaxInFlight && !st.peers.awaited() {
		st.outstanding++
		p.mu.Unlock()
		defer p.returned(st, from)
		return p.next.Consume(ctx, b)
	}
	c := p.join(ctx, st, b)
	c.from = from
	p.mu.Unlock()
	return p.wait(ctx, c)
}

// join adds a caller to the pending batch, or to a new one if it does not fit.
func (p *Processor) join(ctx context.Context, st *keyState, b pipeline.Batch) *caller {
	if w := st.open; w != nil && !p.fits(w, b) {
		p.dispatch(st)
	}
	if st.open == nil {
		w := newPending(st, b)
		st.open = w
		w.timer = time.AfterFunc(p.config.Timeout, func() { p.timedOut(w) })
	}
	c := st.open.add(ctx, b)
	if p.full(st.open) || (st.outstanding < p.config.MaxInFlight && !st.peers.awaited()) {
		p.dispatch(st)
	}
	return c
}

func (p *Processor) fits(w *pending, b pipeline.Batch) bool {
	if len(w.buf)+len(b.Request) > p.config.MaxBytes {
		return false
	}
	return p.config.SendBatchMaxSize == 0 || w.items+b.Items <= p.config.SendBatchMaxSize
}

func (p *Processor) full(w *pending) bool {
	return len(w.buf) >= p.config.MaxBytes || (p.config.SendBatchSize > 0 && w.items >= p.config.SendBatchSize)
}

func (p *Processor) timedOut(w *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.key.open == w {
		w.key.peers.waited(len(w.callers) > 1)
		p.dispatch(w.key)
	}
}

// dispatch sends the open batch. p.mu must be held.
func (p *Processor) dispatch(st *keyState) {
	w := st.open
	st.open = nil
	w.timer.Stop()
	if !w.seal() {
		w.free()
		return // every caller has gone
	}
	st.outstanding++
	p.sends.Add(1)
	go func() {
		defer p.sends.Done()
		p.send(w)
	}()
}

func (p *Processor) returned(st *keyState, from *peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	st.peers.leave(from)
	p.freed(st)
}

// freed sends the waiting batch, unless others are expected. p.mu must be held.
func (p *Processor) freed(st *keyState) {
	st.outstanding--
	if st.open != nil && !st.peers.awaited() {
		p.dispatch(st)
	}
}

// wait returns a caller's fate, or a refusal when its context ends first. Before the seal its bytes are removed;
// after it they are sent, and a delivery counts as late.
func (p *Processor) wait(ctx context.Context, c *caller) error {
	select {
	case err := <-c.fate:
		return err
	case <-ctx.Done():
	case <-p.closed:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case err := <-c.fate: // it was decided meanwhile
		return err
	default:
	}
	c.batch.leave(c)
	c.batch.key.peers.leave(c.from)
	return pipeline.Withdrawn(ctx)
}

// send delivers a sealed batch and answers every caller.
func (p *Processor) send(w *pending) {
	defer w.free()
	b := w.merged()
	err := p.next.Consume(w.ctx, b)
	p.mu.Lock()
	defer p.mu.Unlock()
	a := pipeline.Read(err, b.Items)
	told := 0
	at := 0
	for _, c := range w.callers {
		var own error
		if err != nil {
			if len(w.callers) == 1 {
				own = err
			} else {
				own = a.Slice(at, at+c.items).Err()
			}
		}
		at += c.items
		if !c.gone {
			told += c.items
			w.key.peers.leave(c.from)
			c.fate <- own // buffered: never waits
			continue
		}
		taken := pipeline.Read(own, c.items).Taken()
		p.settings.DeliveredAfterRefusal(w.signal, taken)
	}
	if len(w.callers) > 1 && a.Refusal == nil {
		// Nobody knows whose these are. All callers are told that theirs were taken, so they are dropped here;
		// callers that left already count as refused.
		for _, r := range a.Uncounted() {
			n := min(r.Count, told)
			told -= n
			p.settings.Drop(r.Reason, w.signal, n, 0)
		}
	}
	p.freed(w.key)
}

// split sends an oversized request in parts, one after the other, because the samples of a series may be in several
// and must stay in order. After a refusal the rest is not sent.
func (p *Processor) split(ctx context.Context, b pipeline.Batch) error {
	g := pipeline.NewGather(b.Items)
	at := 0
	wire.Split(b.Signal, b.Request, wire.Limits{MaxItems: p.config.SendBatchMaxSize}, func(part wire.Request, items int) bool {
		part = bytes.Clone(part) // it is Split's own until here
		err := p.one(ctx, pipeline.Batch{Signal: b.Signal, Request: part, Items: items, Origin: b.Origin})
		g.Add(err, items, pipeline.ItemMap{{From: at, N: items}})
		at += items
		ref, refused := pipeline.AsRefused(err)
		if refused && at < b.Items {
			g.Refuse(pipeline.Ranges{{From: at, To: b.Items}}, ref)
		}
		return !refused
	})
	return g.Err()
}

// Stop sends what waits. When ctx ends, waiting callers are refused and requests cancelled.
func (p *Processor) Stop(ctx context.Context) error {
	p.mu.Lock()
	for _, st := range p.keys {
		st.peers.expectNobody()
		if st.open != nil {
			p.dispatch(st)
		}
	}
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		p.sends.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		p.once.Do(func() { close(p.closed) }) // every caller leaves, and the last one cancels its batch
		<-done
	}
	return nil
}

var (
	_ pipeline.Sink    = (*Processor)(nil)
	_ pipeline.Stopper = (*Processor)(nil)
)
