// Package failover gives batches to the first level of pipelines that does not refuse them.
package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
)

// Connector is the failover connector for one signal.
type Connector struct {
	settings pipeline.Settings
	interval time.Duration
	switches prometheus.Counter
	now      func() time.Time // replaced by tests

	mu     sync.Mutex
	levels []level // the best first
	active int     // the best that is thought to take
}

// level is pipelines that stand for each other.
type level struct {
	name  string
	sink  pipeline.Sink
	until time.Time // when it is tried again; zero: it is thought to take
}

// New makes the connector. Every pipeline must receive from it.
func New(s pipeline.Settings, c *Config, out pipeline.Outputs) (pipeline.Sink, error) {
	connector := &Connector{settings: s, interval: c.RetryInterval, now: time.Now}
	var errs []error
	for i, names := range c.PriorityLevels {
		var ids []pipeline.ID
		for _, name := range names {
			id, err := pipeline.ParseID(name)
			errs = append(errs, err)
			ids = append(ids, id)
		}
		sink, err := out.To(ids...)
		if err != nil {
			errs = append(errs, fmt.Errorf(`"priority_levels[%d]": %w`, i, err))
		}
		connector.levels = append(connector.levels, level{name: fmt.Sprint(names), sink: sink})
	}
	var err error
	connector.switches, err = metrics(s.Metrics, func() float64 {
		connector.mu.Lock()
		defer connector.mu.Unlock()
		return float64(connector.active)
	})
	return connector, errors.Join(append(errs, err)...)
}

// Consume gives the batch to the best level that is thought to take, and what that refuses to the next one, and so on. What
// is rejected is the record's fault, not the level's. When all refuse, those that were left alone are tried, too.
func (c *Connector) Consume(ctx context.Context, b pipeline.Batch) error {
	g := pipeline.NewGather(b.Items)
	left := pipeline.AllItems(b.Items) // of b, that nobody took yet
	now := b
	var last *pipeline.Refused
	order := c.order()
	for tried, i := range order {
		a := c.ask(ctx, i, len(order)-tried, now)
		if ctx.Err() == nil {
			c.saw(i, a)
		}
		part := pipeline.NewGather(now.Items) // the rejections
		for _, r := range a.Rejected {
			part.Reject(r)
		}
		if err := part.Err(); err != nil {
			g.Add(err, now.Items, itemsOf(left))
		}
		if last = a.Refusal; last == nil {
			return g.Err()
		}
		if ctx.Err() != nil {
			left = partOf(left, a.Refused)
			break
		}
		if a.Refused.Len() < now.Items {
			left = partOf(left, a.Refused)
			now = now.CutRanges(nil, a.Refused)
		}
	}
	if b.Items == 0 {
		return last
	}
	g.Refuse(left, last)
	return g.Err()
}

// patience is how long a level may take to answer a caller that has all the time.
const patience = 10 * time.Second

// ask gives a batch to the first of some levels. It gets a share of the caller's time, so that a level that does not answer
// leaves time for the others.
func (c *Connector) ask(ctx context.Context, i, levels int, b pipeline.Batch) pipeline.Answer {
	if levels > 1 {
		share := patience
		if end, has := ctx.Deadline(); has {
			share = min(share, time.Until(end)/time.Duration(levels))
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share)
		defer cancel()
	}
	return pipeline.Read(c.levels[i].sink.Consume(ctx, b), b.Items)
}

func itemsOf(r pipeline.Ranges) (m pipeline.ItemMap) {
	for _, x := range r {
		m = append(m, pipeline.Moved{From: x.From, N: x.To - x.From})
	}
	return m
}

// partOf translates ranges of a batch that was cut from the items of whole.
func partOf(whole, part pipeline.Ranges) pipeline.Ranges {
	var out []pipeline.Range
	at := 0
	for _, w := range whole {
		n := w.To - w.From
		for _, p := range part {
			if p.From >= at+n {
				break
			}
			if from, to := max(p.From, at), min(p.To, at+n); from < to {
				out = append(out, pipeline.Range{From: w.From + from - at, To: w.From + to - at})
			}
		}
		for len(part) > 0 && part[0].To <= at+n { // behind us
			part = part[1:]
		}
		at += n
	}
	return pipeline.NewRanges(out)
}

// order is the levels as they are to be tried: those that are thought to take, and then the others. A level whose time is
// over is thought to take for one batch.
func (c *Connector) order() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, then []int
	now := c.now()
	for i := range c.levels {
		switch l := &c.levels[i]; {
		case l.until.IsZero():
			first = append(first, i)
		case !now.Before(l.until):
			l.until = now.Add(c.interval) // only this batch waits for its answer
			first = append(first, i)
		default:
			then = append(then, i)
		}
	}
	return append(first, then...)
}

// saw notes the answer of a level.
func (c *Connector) saw(i int, a pipeline.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := &c.levels[i]
	switch {
	case a.Refusal == nil:
		l.until = time.Time{}
	case l.until.IsZero():
		l.until = c.now().Add(c.interval)
	}
	was := c.active
	if c.active = slices.IndexFunc(c.levels, func(l level) bool { return l.until.IsZero() }); c.active == was {
		return
	}
	c.switches.Inc()
	if c.active < 0 {
		c.settings.Log.Error("every level refuses", "last", l.name, "error", a.Refusal)
		return
	}
	to := []any{"level", c.active, "pipelines", c.levels[c.active].name}
	if a.Refusal == nil {
		c.settings.Log.Info("a better level takes again", to...)
		return
	}
	c.settings.Log.Warn("a level refuses; the next one is asked", append(to, "refused", l.name, "refusal", a.Refusal)...)
}

var _ pipeline.Sink = (*Connector)(nil)
