package reader

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/record"
	"github.com/sluiceio/sluice/wire"
)

// gather joins what is read of slow files within Linger into one request: many small requests cost the wire and the centre
// more than they cost us. The request leaves when it is full, or Linger after its first line.
type gather struct {
	r       *Reader
	buffers sync.Pool // *[]byte of MaxBatchBytes

	mu   sync.Mutex
	open *group // nil: nothing waits

	assembly sync.Mutex // limits the memory beyond MaxInFlightBytes to one buffer
}

// group is one request. It holds MaxBatchBytes of the reader's memory.
type group struct {
	records *[]byte // framed, of all files, as they came
	parts   []*part
	size    int // of the request, at most
	timer   *time.Timer
}

// part is what a group has of one file.
type part struct {
	f        *File
	w        *progress
	c        *call
	envelope *record.Envelope
	pieces   []piece // of the group's records
	bytes    int     // of all pieces
	items    int
}

type piece struct{ from, to int }

func newGather(r *Reader) *gather {
	g := &gather{r: r}
	g.buffers.New = func() any {
		b := make([]byte, 0, r.cfg.MaxBatchBytes)
		return &b
	}
	return g
}

// take adds the batch of a file. False: it is to be sent alone, because nothing waits (Linger is 0), the file fills requests
// on its own, its earlier requests are refused, or there is no memory. What waits of the file then leaves first.
func (g *gather) take(f *File, c *call, b *record.Batch, full bool) bool {
	if g.r.cfg.Linger <= 0 {
		return false
	}
	now, w := time.Now(), f.window()
	if full {
		f.filled = now
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.open.part(w)
	if now.Sub(f.filled) < g.r.cfg.Linger || w.refusing() {
		if p != nil {
			g.leave()
		}
		return false
	}
	need := f.envelope.Room() + len(b.Records())
	if p != nil && g.open.size+len(b.Records()) <= g.r.cfg.MaxBatchBytes && w.grow(c) {
		g.open.add(p, b)
		return true
	}
	if g.open != nil && (p != nil || g.open.size+need > g.r.cfg.MaxBatchBytes) {
		g.leave()
	}
	if g.open == nil && (need > g.r.cfg.MaxBatchBytes || !g.begin()) {
		return false
	}
	p = &part{f: f, w: w, c: c, envelope: f.envelope}
	c.open = true
	w.launch(c)
	g.r.sends.Add(1)
	g.open.parts = append(g.open.parts, p)
	g.open.size += f.envelope.Room()
	g.open.add(p, b)
	return true
}

// begin opens a group, if there is memory for it. g.mu must be held.
func (g *gather) begin() bool {
	if !g.r.memory.TryAcquire(int64(g.r.cfg.MaxBatchBytes)) {
		return false
	}
	o := &group{records: g.buffers.Get().(*[]byte)}
	g.open = o
	o.timer = time.AfterFunc(g.r.cfg.Linger, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.open == o {
			g.leave()
		}
	})
	return true
}

// flush sends what waits.
func (g *gather) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open != nil {
		g.leave()
	}
}

// leave sends the open group. g.mu must be held.
func (g *gather) leave() {
	o := g.open
	g.open = nil
	o.timer.Stop()
	for _, p := range o.parts {
		p.w.shut(p.c)
	}
	go g.send(o)
}

func (o *group) part(w *progress) *part {
	if o == nil {
		return nil
	}
	if i := slices.IndexFunc(o.parts, func(p *part) bool { return p.w == w }); i >= 0 {
		return o.parts[i]
	}
	return nil
}

func (o *group) add(p *part, b *record.Batch) {
	from := len(*o.records)
	*o.records = append(*o.records, b.Records()...)
	p.pieces = append(p.pieces, piece{from, len(*o.records)})
	p.items += b.Items()
	p.bytes += len(b.Records())
	o.size += len(b.Records())
}

// write appends the part's request, which is a piece of the group's.
func (p *part) write(dst, records []byte) wire.Request {
	dst = p.envelope.Append(dst, p.bytes)
	for _, at := range p.pieces {
		dst = append(dst, records[at.from:at.to]...)
	}
	return dst
}

// send makes one attempt for the group. What is refused is repeated as one request a file, so that nothing else waits for
// it; a file whose turn has not come is sent alone, too.
func (g *gather) send(o *group) {
	r, held := g.r, int64(g.r.cfg.MaxBatchBytes)
	alone := func(p *part, one outgoing) {
		n := int64(min(len(one.request), p.envelope.Room()+p.bytes))
		held -= n
		one.free = func() { r.memory.Release(n) }
		go r.send(p.f, p.w, p.c, one)
	}
	turns := make([]bool, len(o.parts)) // before the lock: a turn may take a moment
	for i, p := range o.parts {
		turns[i] = p.w.hasTurn(p.c, r.cfg.MaxInFlight)
	}
	g.assembly.Lock()
	buf := g.buffers.Get().(*[]byte)
	request, items := wire.Request((*buf)[:0]), 0
	parts := o.parts[:0]
	for i, p := range o.parts {
		if !turns[i] {
			alone(p, outgoing{request: p.write(nil, *o.records), items: p.items})
			continue
		}
		parts = append(parts, p)
		items += p.items
		request = p.write(request, *o.records)
	}
	g.give(o.records)
	g.assembly.Unlock()
	if len(parts) > 0 {
		g.answer(parts, logs(request, items), alone)
	}
	g.give(buf)
	r.memory.Release(held)
}

// answer makes the attempt and gives each part its answer; alone takes those of which something is refused.
func (g *gather) answer(parts []*part, all pipeline.Batch, alone func(*part, outgoing)) {
	r := g.r
	a := pipeline.Read(r.offers.Submit(r.sendingCtx, all), all.Items)
	if a.Refusal != nil {
		r.offers.Refused(a.Refusal)
	}
	if a.Refused.Len() < all.Items {
		r.answers.Add(1)
	}
	if unknown := a.Uncounted(); len(unknown) > 0 {
		r.rejected(fmt.Sprintf("one of %d, for example %s", len(parts), parts[0].f.Path), &unknown[0])
	}
	at, from := 0, 0
	for _, p := range parts {
		size := p.envelope.Size(p.bytes)
		mine, answer := logs(all.Request[from:from+size], p.items), a.Slice(at, at+p.items)
		at, from = at+p.items, from+size
		if answer.Refusal != nil {
			p.w.refuse(p.c)
			left := mine.CutRanges(nil, answer.Refused)
			alone(p, outgoing{request: left.Request, items: left.Items, refusal: answer.Refusal})
			continue
		}
		r.rejected(p.f.Path, answer.Err())
		p.w.settle(p.c)
		r.sends.Done()
	}
	r.changed()
}

func (g *gather) give(b *[]byte) {
	*b = (*b)[:0]
	g.buffers.Put(b)
}
