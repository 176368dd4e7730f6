package ottl

import (
	"slices"
	"sync"

	"github.com/sluiceio/sluice/wire"
)

// Conditions are asked one by one, record by record, by who knows what to do with the answers. They may be asked
// concurrently, each time by an Asking.
type Conditions struct {
	signal wire.Signal
	of     Context
	list   []*block
	around bool // no condition asks anything but the resource
	client clientUse
	trace  func(Step) // nil: nobody looks on
}

// CompileConditions compiles conditions about the records of a context. Each block is one: it holds if any of its
// Conditions does, or if it has none. All faults are reported at once.
func CompileConditions(signal wire.Signal, of Context, blocks []Block) (*Conditions, []Fault) {
	out := &Conditions{signal: signal, of: of, around: true}
	var faults []Fault
	metrics := slotMetric
	if of == Metric {
		metrics = slotItem
	}
	for i, b := range blocks {
		one := &block{mode: b.Mode, context: Resource}
		for j, text := range b.Conditions {
			compiled, found := compileCondition(signal, b, text, &compiler{metrics: metrics, client: &out.client})
			for _, x := range found {
				faults = append(faults, Fault{Block: i, Condition: true, Index: j, Text: text, Err: x})
			}
			one.context = max(one.context, compiled.context)
			one.conditions = append(one.conditions, compiled.conditions...)
		}
		out.list = append(out.list, one)
		out.around = out.around && one.context == Resource
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return out, nil
}

// MetadataKeys are the headers of requests that the conditions ask for.
func (c *Conditions) MetadataKeys() []string { return c.client.keys }

// An Asking asks conditions about the records of one request.
type Asking struct {
	Run
	conditions *Conditions
	each       func(*wire.Item)
	count      func(int)
	known      []verdict // by condition: about the message around the record
}

var askings = sync.Pool{New: func() any {
	a := &Asking{}
	a.edit = a.item
	return a
}}

// Start begins to ask. Call Done at the end.
func (c *Conditions) Start(report Report) *Asking {
	a := askings.Get().(*Asking)
	a.conditions, a.report, a.err, a.trace = c, report, nil, c.trace
	return a
}

// Done gives the buffers back.
func (a *Asking) Done() {
	a.release()
	a.conditions, a.each, a.count = nil, nil, nil
	askings.Put(a)
}

// Over calls count for each record, in order, or for several at once for which all answers are the same. An error is that of
// a condition in the mode Propagate.
func (a *Asking) Over(request wire.Request, count func(records int)) error {
	a.count = count
	a.start()
	if !a.conditions.around {
		a.walk(request)
		return a.err
	}
	at := 0
	for rs := request.Resources(); rs.Next() && a.err == nil; at++ {
		r := &a.record
		r.fresh()
		r.leaveResource()
		r.resourceAt, r.resourceX, r.resourceIn = at, rs.Bytes(), rs.Resource()
		from, to := rs.Range()
		count(wire.Count(a.conditions.signal, request[from:to]))
	}
	a.record.end()
	return a.err
}

// Each calls each for every record. An error is that of a condition in the mode Propagate.
func (a *Asking) Each(request wire.Request, each func(*wire.Item)) error {
	a.each = each
	a.start()
	a.walk(request)
	return a.err
}

func (a *Asking) start() {
	a.record.start()
	a.known = slices.Grow(a.known[:0], len(a.conditions.list))[:len(a.conditions.list)]
	for i := range a.known {
		a.known[i] = verdict{at: -1}
	}
}

func (a *Asking) walk(request wire.Request) {
	if a.conditions.of == Metric {
		a.editor.EditMetrics(nil, request, a.edit)
	} else {
		a.editor.EditItems(nil, a.conditions.signal, request, a.edit)
	}
	a.record.end()
}

func (a *Asking) item(it *wire.Item) {
	if a.err != nil {
		return
	}
	r := &a.record
	r.begin(it)
	switch {
	case a.conditions.of == SpanEvent:
		r.span, r.eventIndex = it, 0
		for c := wire.ParseSpan(it.Bytes()).Events(); c.Next(); r.eventIndex++ {
			r.event.Open(wire.MessageEvent, c.Bytes())
			r.item = &r.event
			r.fresh()
			a.each(r.item)
		}
	case a.each != nil:
		a.each(it)
	default:
		a.count(1)
	}
}

// Resource is the Resource around the current record, and its index in the request.
func (a *Asking) Resource() (body []byte, index int) {
	return a.record.resourceIn, a.record.resourceAt
}

// Scope is the InstrumentationScope around the current record.
func (a *Asking) Scope() []byte { return a.record.scopeIn }

// Holds reports whether a condition holds for the current record.
func (a *Asking) Holds(condition int) bool {
	b := a.conditions.list[condition]
	if len(b.conditions) == 0 {
		return true
	}
	if a.err != nil {
		return false
	}
	at := -1
	switch b.context {
	case Resource:
		at = a.record.resourceAt
	case Scope:
		at = a.record.scopeAt
	case Metric:
		if a.conditions.of == DataPoint {
			_, _, at = a.record.item.Place()
		}
	}
	if at < 0 {
		return a.holds(b.conditions, b.mode)
	}
	known := &a.known[condition]
	if known.at != at {
		known.at, known.hold = at, a.holds(b.conditions, b.mode)
	}
	return known.hold
}
