package count

import (
	"bytes"
	"slices"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// A counter is the metrics that count one kind of records.
type counter struct {
	of          ottl.Context
	definitions []definition
	conditions  *ottl.Conditions // one for each definition
}

type definition struct {
	name, description string
	attributes        []attribute
}

type attribute struct {
	key      string
	fallback []byte // the default value, as the body of an AnyValue; nil: none
}

// A tally counts the records of one request.
type tally struct {
	counter *counter
	asking  *ottl.Asking
	each    func(*wire.Item) // record; made once, since a closure for each request would allocate

	points []point // of one resource after the other
	times  []span  // by resource
	arena  []byte  // the attributes of the points
	known  map[string]int
	last   []int // by definition: the point that the record before went to, or -1; of the current resource
	key    []byte
}

// point is a count with one set of attributes.
type point struct {
	resource, definition int
	from, to             int // of its attributes in the arena
	count                uint64
}

// span is the time of the records of a resource; zero for unknown.
type span struct{ start, end uint64 }

func (s *span) include(at uint64) {
	if at == 0 {
		return
	}
	if s.start == 0 || at < s.start {
		s.start = at
	}
	s.end = max(s.end, at)
}

// count counts the records of a batch. An error is that of a condition.
func (t *tally) count(c *counter, b pipeline.Batch) error {
	t.counter = c
	t.asking = c.conditions.Start(nil)
	defer t.asking.Done()
	t.asking.From(b.Origin.Peer, string(b.Origin.Metadata))
	return t.asking.Each(b.Request, t.each)
}

// record counts a record in every metric whose condition holds and whose attributes it has.
func (t *tally) record(it *wire.Item) {
	_, resource := t.asking.Resource()
	for len(t.times) <= resource {
		t.times = append(t.times, span{})
		clear(t.known)
		t.last = t.last[:0]
		for range t.counter.definitions {
			t.last = append(t.last, -1)
		}
	}
	t.time(&t.times[resource], it)
	for i := range t.counter.definitions {
		if t.attributes(&t.counter.definitions[i], it) && t.asking.Holds(i) {
			t.add(resource, i)
		}
	}
}

// time includes the record's times.
func (t *tally) time(s *span, it *wire.Item) {
	at := func(field int) {
		n, _ := it.FindNumber(field)
		s.include(n)
	}
	switch t.counter.of {
	case ottl.Log:
		at(wire.FieldLogTime)
	case ottl.Span:
		at(wire.FieldSpanStart)
		at(wire.FieldSpanEnd)
	case ottl.SpanEvent:
		at(wire.FieldEventTime)
	case ottl.DataPoint:
		at(wire.FieldNumberTime) // the same field of every kind of point
	}
}

// attributes makes the attributes of a point in key. It returns false if one is absent.
func (t *tally) attributes(d *definition, it *wire.Item) bool {
	t.key = t.key[:0]
	for i := range d.attributes {
		a := &d.attributes[i]
		v, has := it.Attributes().Find(a.key)
		if !has {
			v, has = wire.ParseScope(t.asking.Scope()).Attributes().Find(a.key)
		}
		if !has {
			resource, _ := t.asking.Resource()
			v, has = wire.ResourceAttributes(resource).Find(a.key)
		}
		if !has && a.fallback == nil {
			return false
		}
		var mark int
		t.key, mark = wire.BeginMessage(t.key, wire.FieldNumberAttributes)
		t.key = wire.AppendString(t.key, wire.FieldKeyValueKey, a.key)
		if has {
			t.key = wire.AppendValue(t.key, wire.FieldKeyValueValue, v)
		} else {
			t.key = wire.AppendBytes(t.key, wire.FieldKeyValueValue, a.fallback)
		}
		t.key = wire.EndMessage(t.key, mark)
	}
	return true
}

// add counts a record with the attributes in key.
func (t *tally) add(resource, definition int) {
	if last := t.last[definition]; last >= 0 && bytes.Equal(t.arena[t.points[last].from:t.points[last].to], t.key) {
		t.points[last].count++
		return
	}
	attributes := len(t.key)
	t.key = wire.AppendVarint(t.key, uint64(definition))
	at, seen := t.known[string(t.key)]
	if !seen {
		at = len(t.points)
		t.known[string(t.key)] = at
		from := len(t.arena)
		t.arena = append(t.arena, t.key[:attributes]...)
		t.points = append(t.points, point{resource: resource, definition: definition, from: from, to: len(t.arena)})
	}
	t.points[at].count++
	t.last[definition] = at
}

// of are the points of a resource.
func (t *tally) of(resource int) []point {
	of := func(p point, resource int) int { return p.resource - resource }
	from, _ := slices.BinarySearchFunc(t.points, resource, of)
	to, _ := slices.BinarySearchFunc(t.points, resource+1, of)
	return t.points[from:to]
}

// appendMetrics appends the metrics of a resource.
func (t *tally) appendMetrics(dst []byte, resource int, now uint64) []byte {
	points := t.of(resource)
	for i, d := range t.counter.definitions {
		metric, sum := 0, 0
		for _, p := range points {
			if p.definition != i {
				continue
			}
			if metric == 0 {
				dst, metric = wire.BeginMessage(dst, wire.FieldScopeXItem)
				dst = wire.AppendString(dst, wire.FieldMetricName, d.name)
				if d.description != "" {
					dst = wire.AppendString(dst, wire.FieldMetricDescription, d.description)
				}
				dst, sum = wire.BeginMessage(dst, wire.FieldMetricSum)
			}
			dst = t.appendPoint(dst, p, now)
		}
		if metric > 0 {
			dst = wire.AppendUint(dst, wire.FieldDataTemporality, delta)
			dst = wire.AppendBool(dst, wire.FieldDataMonotonic, true)
			dst = wire.EndMessage(wire.EndMessage(dst, sum), metric)
		}
	}
	return dst
}

// delta is OTLP's AGGREGATION_TEMPORALITY_DELTA.
const delta = 1

func (t *tally) appendPoint(dst []byte, p point, now uint64) []byte {
	times := t.times[p.resource]
	if times.start == 0 {
		times = span{now, now}
	}
	dst, mark := wire.BeginMessage(dst, wire.FieldDataPoints)
	dst = wire.AppendFixed64(dst, wire.FieldNumberStart, times.start)
	dst = wire.AppendFixed64(dst, wire.FieldNumberTime, times.end)
	dst = wire.AppendFixed64(dst, wire.FieldNumberInt, p.count)
	return wire.EndMessage(append(dst, t.arena[p.from:p.to]...), mark)
}

// done keeps nothing of the request, and no more room than is usual.
func (t *tally) done() {
	const most = 1 << 16
	if len(t.points) > most {
		t.points, t.known = nil, map[string]int{}
	}
	clear(t.known)
	t.counter, t.asking = nil, nil
	t.points, t.times, t.arena, t.last = t.points[:0], t.times[:0], t.arena[:0], t.last[:0]
	free.Put(t)
}
