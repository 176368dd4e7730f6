// Package limit gives each value of a resource attribute, such as a namespace or team, a budget of records, bytes and active
// series, so that one of them cannot take everything. What is over it is refused or dropped; its neighbours pass.
package limit

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/internal/throttle"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the processor of one pipeline.
type Processor struct {
	settings pipeline.Settings
	cfg      Config
	budgets  atomic.Pointer[budgets] // replaced at the start after a reload
	line     throttle.Line
	next     pipeline.Sink
	runs     sync.Pool // *run
}

// seed is one for the process, since budgets outlive a reload.
var seed = maphash.MakeSeed()

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{settings: s, cfg: *c, next: next}
	p.budgets.Store(newBudgets())
	p.runs.New = func() any { return &run{p: p} }
	return p, s.Metrics.Register(p)
}

func (p *Processor) estate() string {
	return "budgets of " + p.settings.Signal.String() + " by " + p.cfg.By
}

// Start takes over the budgets as they were used before a reload.
func (p *Processor) Start(context.Context) error {
	if before, is := p.settings.Inherit(p.estate()).(*budgets); is {
		before.follow(&p.cfg)
		p.budgets.Store(before)
	}
	return nil
}

// Stop leaves the budgets to the next graph.
func (p *Processor) Stop(context.Context) error {
	p.settings.Leave(p.estate(), p.budgets.Load())
	return nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume hands on what the budgets allow.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	r := p.runs.Get().(*run)
	defer p.runs.Put(r)
	r.decide(b)
	if r.over == 0 {
		err := p.next.Consume(ctx, b)
		r.giveBack(err, b.Items)
		return err
	}
	g := pipeline.NewGather(b.Items)
	kept := b
	kept.Items = b.Items - r.over
	if kept.Items > 0 {
		buf := requests.Get()
		defer requests.Put(buf)
		r.part[0] = (*buf)[:0]
		r.divider.Divide(r.part[:], b.Signal, b.Request, r.shares)
		*buf, kept.Request = r.part[0], r.part[0]
		err := p.next.Consume(ctx, kept)
		r.giveBack(err, kept.Items)
		g.Add(err, kept.Items, r.order)
	} else {
		kept.Request = nil
	}
	if p.cfg.OnLimit == onLimitDrop {
		p.settings.Drop(pipeline.DropOverflow, b.Signal, r.over, len(b.Request)-len(kept.Request))
	} else {
		g.Refuse(pipeline.NewRanges(r.beyond), pipeline.Refuse(r.wait, errOver))
	}
	return g.Err()
}

var errOver = errors.New("over the budget of its sender")

// say writes a line about what is over a budget, once a minute for all values.
func (p *Processor) say(a *account, what string, items int) {
	if skipped, due := p.line.Now(); due {
		done := map[string]string{onLimitDrop: "dropped", onLimitRefuse: "refused"}[p.cfg.OnLimit]
		p.settings.Log.Warn("over the budget; data is "+done, "by", p.cfg.By, "value", a.name, "budget", what, "items", items, "suppressed", skipped)
	}
}

var _ pipeline.Sink = (*Processor)(nil)

// run is a request on its way; its memory is used again.
type run struct {
	p       *Processor
	divider wire.Divider
	part    [1][]byte
	shares  []wire.Share
	order   pipeline.ItemMap // of what passes
	beyond  []pipeline.Range // of what does not
	over    int
	wait    time.Duration
	index   int
	booked  []booking
}

// booking is what was taken from an account for adjacent items of those that pass.
type booking struct {
	from         *account
	items, bytes int
}

// giveBack returns what next refused to the accounts: it comes again.
func (r *run) giveBack(err error, items int) {
	refused := pipeline.Read(err, items).Refused
	if len(refused) == 0 {
		return
	}
	budgets := r.p.budgets.Load()
	budgets.mu.Lock()
	defer budgets.mu.Unlock()
	at := 0
	for _, b := range r.booked {
		n := 0
		for _, x := range refused {
			n += max(min(x.To, at+b.items)-max(x.From, at), 0)
		}
		if n > 0 {
			b.from.take(-n, -b.bytes*n/b.items)
		}
		at += b.items
	}
}

// decide books the items of a batch and finds those that are over a budget.
func (r *run) decide(b pipeline.Batch) {
	r.shares, r.order, r.beyond = r.shares[:0], r.order[:0], r.beyond[:0]
	r.over, r.wait, r.index, r.booked = 0, 0, 0, r.booked[:0]
	p := r.p
	now := time.Now()
	budgets := p.budgets.Load()
	budgets.mu.Lock()
	defer budgets.mu.Unlock()
	for rs := b.Request.Resources(); rs.Next(); {
		start, end := rs.Range()
		items := wire.Count(b.Signal, b.Request[start:end])
		if items == 0 {
			continue
		}
		a := budgets.account(&p.cfg, attribute(rs.Resource(), p.cfg.By), now)
		if wait := a.wait(); wait > 0 {
			r.wait = max(r.wait, wait)
			r.put(a, items, false)
			p.say(a, "rate", items)
			continue
		}
		passed := items
		if a.series != nil && b.Signal == pipeline.Metrics {
			passed = r.series(a, &rs)
		} else {
			r.put(a, items, true)
		}
		if passed < items {
			r.wait = max(r.wait, p.cfg.SeriesWindow/20)
			p.say(a, "active series", items-passed)
		}
		if passed > 0 {
			share := (end - start) * passed / items
			a.take(passed, share)
			r.booked = append(r.booked, booking{a, passed, share})
		}
	}
}

// series admits points by their series, and returns how many passed.
func (r *run) series(a *account, rs *wire.Resources) (passed int) {
	resource := maphash.Bytes(seed, rs.Resource())
	for sc := rs.Scopes(); sc.Next(); {
		scope := resource ^ 3*maphash.Bytes(seed, sc.Scope())
		for items := sc.Items(); items.Next(); {
			m := wire.ParseMetric(items.Bytes())
			metric := scope ^ 5*maphash.Bytes(seed, m.Name) ^ 7*maphash.Bytes(seed, m.Unit)
			field := attributeFields[m.Type]
			for points := m.Points(); points.Next(); {
				// A sum, so that the order of the attributes does not matter.
				h := metric
				for e := wire.Entries(points.Bytes(), field); e.Next(); {
					h += mix(maphash.Bytes(seed, e.Bytes()))
				}
				ok := a.series.admit(mix(h))
				if ok {
					passed++
				}
				r.put(a, 1, ok)
			}
		}
	}
	return passed
}

// attributeFields are the tags of a point's attributes.
var attributeFields = map[wire.MetricType]byte{
	wire.MetricGauge: wire.FieldNumberAttributes<<3 | wire.TypeBytes, wire.MetricSum: wire.FieldNumberAttributes<<3 | wire.TypeBytes,
	wire.MetricHistogram:            wire.FieldHistogramAttributes<<3 | wire.TypeBytes,
	wire.MetricExponentialHistogram: wire.FieldExponentialAttributes<<3 | wire.TypeBytes,
	wire.MetricSummary:              wire.FieldSummaryAttributes<<3 | wire.TypeBytes,
}

// mix is the end of splitmix64.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
	h = (h ^ h>>27) * 0x94D049BB133111EB
	return h ^ h>>31
}

// put says what becomes of the next items.
func (r *run) put(a *account, items int, passes bool) {
	to := 0
	if !passes {
		to = -1
		r.over += items
		r.beyond = append(r.beyond, pipeline.Range{From: r.index, To: r.index + items})
		if a.over == nil {
			a.over = r.p.budgets.Load().metrics.over.WithLabelValues(a.name, r.p.cfg.OnLimit)
		}
		a.over.Add(float64(items))
	} else if n := len(r.order); n > 0 && r.order[n-1].From+r.order[n-1].N == r.index {
		r.order[n-1].N += items
	} else {
		r.order = append(r.order, pipeline.Moved{From: r.index, N: items})
	}
	if n := len(r.shares); n > 0 && r.shares[n-1].To == to {
		r.shares[n-1].Count += items
	} else {
		r.shares = append(r.shares, wire.Share{To: to, Count: items})
	}
	r.index += items
}

// attribute is the text of a resource attribute; empty if there is none.
func attribute(resource []byte, name string) []byte {
	v, _ := wire.ResourceAttributes(resource).Find(name)
	if v.Kind() == wire.ValueString {
		return v.Str()
	}
	return v.AppendText(nil)
}
