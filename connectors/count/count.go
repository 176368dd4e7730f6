// Package count counts records as metrics.
package count

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Connector is the count connector for one signal.
type Connector struct {
	settings pipeline.Settings
	counters []*counter
	next     pipeline.Sink
	now      func() time.Time // replaced by tests
}

// New makes the connector.
func New(s pipeline.Settings, c *Config, out pipeline.Outputs) (pipeline.Sink, error) {
	connector := &Connector{settings: s, next: out.For(pipeline.Metrics), now: time.Now}
	var errs []error
	if connector.next == nil {
		errs = append(errs, errors.New("no pipeline of metrics receives from it; list it under the receivers of one"))
	}
	for _, k := range c.kinds() {
		if k.signal != s.Signal {
			continue
		}
		counter, err := k.counter()
		if err == nil {
			counter.conditions.Trace(s.Trace)
		}
		connector.counters, errs = append(connector.counters, counter), append(errs, err)
	}
	return connector, errors.Join(errs...)
}

// requests are the buffers of the counts.
var requests buffer.Scratch

// Consume counts the records, which end here: they are dropped as aggregated. If the counts are refused, so is the batch,
// since it has to be counted again.
func (c *Connector) Consume(ctx context.Context, b pipeline.Batch) error {
	tallies := make([]*tally, len(c.counters))
	for i, counter := range c.counters {
		tallies[i] = free.Get().(*tally)
		defer tallies[i].done()
		if err := tallies[i].count(counter, b); err != nil {
			return pipeline.Reject(0, pipeline.DropInvalid, err)
		}
	}
	buf := requests.Get()
	defer requests.Put(buf)
	points := 0
	*buf, points = c.appendCounts((*buf)[:0], b.Request, tallies)
	if points > 0 {
		if err := c.give(ctx, pipeline.Batch{Signal: pipeline.Metrics, Request: *buf, Items: points, Origin: b.Origin}); err != nil {
			return err
		}
	}
	c.settings.Drop(pipeline.DropAggregated, b.Signal, b.Items, len(b.Request))
	return nil
}

// give hands on the counts. Its answer is for the batch that was counted.
func (c *Connector) give(ctx context.Context, counts pipeline.Batch) error {
	a := pipeline.Read(c.next.Consume(ctx, counts), counts.Items)
	switch {
	case a.Refusal != nil:
		return a.Refusal
	case a.Taken() == 0:
		return pipeline.Reject(0, a.Rejected[0].Reason, a.Rejected[0].Err)
	}
	return nil
}

// scopeName names who counted.
const scopeName = "github.com/sluiceio/sluice/connectors/count"

// appendCounts appends a request with the counts of each resource that has any.
func (c *Connector) appendCounts(dst []byte, r wire.Request, tallies []*tally) (_ []byte, points int) {
	now := uint64(c.now().UnixNano())
	for rs, index := r.Resources(), 0; rs.Next(); index++ {
		some := 0
		for _, t := range tallies {
			some += len(t.of(index))
		}
		if some == 0 {
			continue
		}
		points += some
		var resourceX, resource, scopeX, scope int
		dst, resourceX = wire.BeginMessage(dst, wire.FieldRequestResource)
		dst, resource = wire.BeginMessage(dst, wire.FieldResourceXResource)
		for attrs := wire.ResourceAttributes(rs.Resource()); attrs.Next(); {
			dst = wire.AppendBytes(dst, wire.FieldResourceAttributes, attrs.Bytes())
		}
		dst = wire.EndMessage(dst, resource)
		dst, scopeX = wire.BeginMessage(dst, wire.FieldResourceXScope)
		dst, scope = wire.BeginMessage(dst, wire.FieldScopeXScope)
		dst = wire.EndMessage(wire.AppendString(dst, wire.FieldScopeName, scopeName), scope)
		for _, t := range tallies {
			dst = t.appendMetrics(dst, index, now)
		}
		dst = wire.EndMessage(wire.EndMessage(dst, scopeX), resourceX)
	}
	return dst, points
}

var _ pipeline.Sink = (*Connector)(nil)

var free = sync.Pool{New: func() any {
	t := &tally{known: map[string]int{}}
	t.each = t.record
	return t
}}
