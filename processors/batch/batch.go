// Package batch merges requests of many callers into fewer and larger ones.
//
// It is a group commit. While fewer than max_in_flight requests are outstanding, a request goes on at once, as it
// came, in its caller's goroutine. Beyond that, requests are merged, which for OTLP is an append, and the merged
// one goes on as soon as a request comes back, or at its size, or at the timeout. A caller is answered with its
// own request's fate and not before: nothing is acknowledged early.
package batch

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the batch processor of one pipeline.
type Processor struct {
	cfg  Config
	set  pipeline.Settings
	next pipeline.Sink
	late prometheus.Counter

	mu     sync.Mutex
	lanes  map[lane]*queue
	closed chan struct{} // closed when the drain's time has ended
	once   sync.Once
	sends  sync.WaitGroup
}

// lane is what may be merged: a pipeline has one signal, so tenant and route are left.
type lane struct{ tenant, route string }

// queue is the state of one lane, under Processor.mu. Lanes without traffic are forgotten.
type queue struct {
	outstanding int
	open        *lot // the one that callers are added to; nil when nobody waits
}

// New makes the processor in front of next.
func New(s pipeline.Settings, cfg *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{
		cfg: *cfg, set: s, next: next, lanes: map[lane]*queue{}, closed: make(chan struct{}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sluice_batch_delivered_after_refusal_items_total",
			Help: "Items that were delivered after their caller's time had ended: the bound on duplicates.",
		}),
	}
	return p, s.Metrics.Register(p.late)
}

// Consume hands the batch on, alone or merged with others, and answers when its fate is known.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	if max := p.cfg.SendBatchMaxSize; max > 0 && b.Items > max {
		return p.split(ctx, b)
	}
	return p.one(ctx, b)
}

func (p *Processor) one(ctx context.Context, b pipeline.Batch) error {
	key := lane{b.Origin.Tenant, b.Origin.Route}
	p.mu.Lock()
	q := p.lanes[key]
	if q == nil {
		q = &queue{}
		p.lanes[key] = q
	}
	if q.outstanding < p.cfg.MaxInFlight && q.open == nil {
		q.outstanding++
		p.mu.Unlock()
		defer p.returned(key, q)
		return p.next.Consume(ctx, b)
	}
	c := p.join(ctx, key, q, b)
	p.mu.Unlock()
	return p.wait(ctx, c)
}

// join adds a caller to the lane's open lot, which it makes when there is none or when the request does not fit.
func (p *Processor) join(ctx context.Context, key lane, q *queue, b pipeline.Batch) *caller {
	if l := q.open; l != nil && !p.fits(l, b) {
		p.dispatch(key, q)
	}
	if q.open == nil {
		l := newLot(b)
		q.open = l
		l.timer = time.AfterFunc(p.cfg.Timeout, func() { p.timedOut(key, q, l) })
	}
	c := q.open.add(ctx, b)
	if p.full(q.open) || q.outstanding < p.cfg.MaxInFlight {
		p.dispatch(key, q)
	}
	return c
}

func (p *Processor) fits(l *lot, b pipeline.Batch) bool {
	if len(l.buf)+len(b.Request) > p.cfg.MaxBytes {
		return false
	}
	return p.cfg.SendBatchMaxSize == 0 || l.items+b.Items <= p.cfg.SendBatchMaxSize
}

func (p *Processor) full(l *lot) bool {
	return len(l.buf) >= p.cfg.MaxBytes || (p.cfg.SendBatchSize > 0 && l.items >= p.cfg.SendBatchSize)
}

func (p *Processor) timedOut(key lane, q *queue, l *lot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q.open == l {
		p.dispatch(key, q)
	}
}

// dispatch sends the open lot on its way. Callers hold p.mu.
func (p *Processor) dispatch(key lane, q *queue) {
	l := q.open
	q.open = nil
	l.timer.Stop()
	if !l.seal() {
		l.free()
		return // every caller has gone
	}
	q.outstanding++
	p.sends.Add(1)
	go func() {
		defer p.sends.Done()
		defer p.returned(key, q)
		p.send(l)
	}()
}

// returned notes that a request came back: whoever waits goes now.
func (p *Processor) returned(key lane, q *queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.outstanding--
	if q.open != nil {
		p.dispatch(key, q)
	}
	if q.outstanding == 0 && q.open == nil && p.lanes[key] == q {
		delete(p.lanes, key)
	}
}

// wait answers a caller: its fate, or a refusal when its own time ends first. Before the lot is sealed the
// caller takes its bytes back; after that they go on, and a delivery counts as late.
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
	c.lot.leave(c)
	return pipeline.Withdrawn(ctx)
}

// send delivers a sealed lot and tells every caller. When a destination rejected it as a whole, its exporter was given
// the parts again, so that only the guilty one is told so.
func (p *Processor) send(l *lot) {
	defer l.free()
	b := l.batch()
	err := p.next.Consume(l.ctx, b)
	if each, ok := pipeline.AsApart(err, b); ok {
		p.tellEach(l, each)
		return
	}
	rej, never := pipeline.AsRejected(err)
	if never && len(l.callers) > 1 && rej.Items > 0 && rej.Items < l.items {
		// A partial success: the rest was delivered, and nobody says whose the rejected ones were.
		p.tellPartial(l, rej)
		return
	}
	for _, c := range l.callers {
		if never && len(l.callers) > 1 {
			err = pipeline.Reject(c.items, rej.Reason, rej.Err)
		}
		p.tell(c, err)
	}
}

// tellEach tells every caller what became of its part, or of its parts if it had merged some itself.
func (p *Processor) tellEach(l *lot, each []error) {
	for _, c := range l.callers {
		if len(c.parts) == 0 {
			p.tell(c, each[0])
			each = each[1:]
			continue
		}
		p.tell(c, pipeline.ApartOf(each[:len(c.parts)], pipeline.Batch{Items: c.items}))
		each = each[len(c.parts):]
	}
}

func (p *Processor) tell(c *caller, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decide(c, err)
}

// decide is tell under p.mu: a caller is either told or has gone, never both.
func (p *Processor) decide(c *caller, err error) {
	if !c.gone {
		c.fate <- err // buffered: never waits
	} else if err == nil {
		p.late.Add(float64(c.items))
	}
}

// tellPartial answers nil to all and drops the rejected items. Callers that have gone were refused and count as
// that already, so no more is dropped than the others brought.
func (p *Processor) tellPartial(l *lot, rej *pipeline.Rejected) {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := 0
	for _, c := range l.callers {
		if !c.gone {
			told += c.items
		}
	}
	if told > 0 {
		p.set.Drop(rej.Reason, l.signal, min(rej.Items, told), 0)
	}
	for _, c := range l.callers {
		p.decide(c, nil)
	}
}

// split sends a request that exceeds the maximum in parts, side by side. When some part is refused the whole
// request is, and what was delivered of it will come again. A request that was merged before is divided where it was
// joined, as far as that is enough.
func (p *Processor) split(ctx context.Context, b pipeline.Batch) error {
	var wg sync.WaitGroup
	var sum sums
	slots := make(chan struct{}, p.cfg.MaxInFlight)
	send := func(b pipeline.Batch) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			sum.add(p.one(ctx, b), b.Items)
		})
	}
	for _, run := range p.runs(b) {
		if run.Items <= p.cfg.SendBatchMaxSize {
			send(run)
			continue
		}
		wire.Split(b.Signal, run.Request, wire.Limits{MaxItems: p.cfg.SendBatchMaxSize}, func(part wire.Request, items int) bool {
			part = bytes.Clone(part) // it is Split's own until here
			send(pipeline.Batch{Signal: b.Signal, Request: part, Items: items, Origin: b.Origin})
			return true
		})
	}
	wg.Wait()
	return sum.answer()
}

// runs are the parts of b, joined as long as they do not exceed the maximum together.
func (p *Processor) runs(b pipeline.Batch) []pipeline.Batch {
	if len(b.Parts) == 0 {
		return []pipeline.Batch{b}
	}
	var runs []pipeline.Batch
	for i := 0; i < len(b.Parts); {
		j, items := i+1, b.Parts[i].Items
		for ; j < len(b.Parts) && items+b.Parts[j].Items <= p.cfg.SendBatchMaxSize; j++ {
			items += b.Parts[j].Items
		}
		runs = append(runs, b.Range(i, j))
		i = j
	}
	return runs
}

// sums is the answer for a request that was sent in several.
type sums struct {
	mu       sync.Mutex
	refused  error
	rejected *pipeline.Rejected
}

func (s *sums) add(err error, items int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, never := pipeline.AsRejected(err)
	refused, again := pipeline.AsRefused(err)
	switch {
	case again:
		s.refused = refused
	case never:
		if s.rejected == nil {
			s.rejected = &pipeline.Rejected{Err: r.Err, Reason: r.Reason}
		}
		if r.Items > 0 {
			items = r.Items
		}
		s.rejected.Items += items
	}
}

func (s *sums) answer() error {
	if s.refused != nil {
		return s.refused
	}
	if s.rejected != nil {
		return s.rejected
	}
	return nil
}

// Stop sends what waits. When ctx ends, the callers that still wait are refused and requests on their way are
// cancelled.
func (p *Processor) Stop(ctx context.Context) error {
	p.mu.Lock()
	for key, q := range p.lanes {
		if q.open != nil {
			p.dispatch(key, q)
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
		p.once.Do(func() { close(p.closed) }) // every caller leaves, and the last one cancels its lot
		<-done
	}
	return nil
}

var (
	_ pipeline.Sink    = (*Processor)(nil)
	_ pipeline.Stopper = (*Processor)(nil)
)
