package ottl

import (
	"fmt"
	"slices"
	"sync"

	"github.com/sluiceio/sluice/ottl/syntax"
	"github.com/sluiceio/sluice/wire"
)

// A Filter is conditions for dropping what they hold for. It may run concurrently.
type Filter struct {
	trace  func(Step) // nil: nobody looks on
	signal wire.Signal
	levels [contexts][]*block
	client clientUse
}

// CompileFilter compiles conditions, which stand in Conditions of the blocks; Statements are not looked at. All faults
// are reported at once.
func CompileFilter(signal wire.Signal, blocks []Block) (*Filter, []Fault) {
	f := &Filter{signal: signal}
	var faults []Fault
	for i, b := range blocks {
		for j, text := range b.Conditions {
			out, found := compileCondition(signal, b, text, &compiler{metrics: slotMetric, client: &f.client})
			for _, x := range found {
				faults = append(faults, Fault{Block: i, Condition: true, Index: j, Text: text, Err: x})
			}
			f.levels[out.context] = append(f.levels[out.context], out)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return f, nil
}

// compileCondition compiles one condition of a block. Without a context, each has that which its own paths name, as in contrib.
func compileCondition(signal wire.Signal, b Block, text string, c *compiler) (*block, []error) {
	out := &block{mode: b.Mode}
	e, fault := syntax.ParseCondition(text)
	if fault != nil {
		return out, []error{fault}
	}
	var err error
	if out.context, err = (parsed{conditions: []syntax.Expr{e}}).context(signal, b.Context); err != nil {
		return out, []error{err}
	}
	c.context, c.prefixed = out.context, b.Context == ""
	out.conditions = []*statement{{text: text, when: c.condition(e)}}
	var errs []error
	for _, f := range c.faults {
		errs = append(errs, f)
	}
	return out, errs
}

// MetadataKeys are the headers of requests that the conditions ask for.
func (f *Filter) MetadataKeys() []string { return f.client.keys }

// A FilterRun is one request on its way through a filter.
type FilterRun struct {
	Run
	filter *Filter
	// Whether conditions of the messages around hold, and for which messages that is known.
	resource, scope, metric verdict
}

// A verdict is what conditions about the message with the index at say.
type verdict struct {
	at   int
	hold bool
}

var filterRuns = sync.Pool{New: func() any {
	r := &FilterRun{}
	r.edit = r.decide
	return r
}}

// Start begins a run. Call Done when the result is no longer needed.
func (f *Filter) Start(report Report) *FilterRun {
	r := filterRuns.Get().(*FilterRun)
	r.filter, r.report, r.err, r.trace = f, report, nil, f.trace
	return r
}

// Done gives the run's buffers back.
func (r *FilterRun) Done() {
	r.release()
	r.filter = nil
	filterRuns.Put(r)
}

// Over removes from the request what a condition holds for. An error is that of a condition in the mode Propagate; then
// the result is of no use.
func (r *FilterRun) Over(request wire.Request) (wire.Edited, error) {
	r.record.start()
	r.resource.at, r.scope.at, r.metric.at = -1, -1, -1
	buf := r.buffer()
	done := r.editor.EditItems((*buf)[:0], r.filter.signal, request, r.edit)
	if done.Changed {
		*buf = done.Request
	}
	r.record.end()
	return done, r.err
}

// decide removes an item, or events of a span.
func (r *FilterRun) decide(it *wire.Item) {
	if r.err != nil {
		return
	}
	r.record.begin(it)
	resource, scope, metric := it.Place()
	levels := &r.filter.levels
	if r.around(&r.resource, resource, levels[Resource]) || r.around(&r.scope, scope, levels[Scope]) ||
		r.around(&r.metric, metric, levels[Metric]) ||
		r.drops(levels[Log]) || r.drops(levels[Span]) || r.drops(levels[DataPoint]) {
		it.Remove()
		return
	}
	if len(levels[SpanEvent]) > 0 {
		r.spanEvents(it, r.dropsEvent)
	}
}

func (r *FilterRun) dropsEvent() bool { return r.drops(r.filter.levels[SpanEvent]) }

// around asks the conditions of a message once for all its items.
func (r *FilterRun) around(v *verdict, at int, blocks []*block) bool {
	if len(blocks) == 0 {
		return false
	}
	if v.at != at {
		v.at, v.hold = at, r.drops(blocks)
	}
	return v.hold
}

func (r *FilterRun) drops(blocks []*block) bool {
	return slices.ContainsFunc(blocks, func(b *block) bool { return r.err == nil && r.holds(b.conditions, b.mode) })
}

// Error is the fault with its place within its block's conditions or statements.
func (f Fault) Error() string {
	if f.Index < 0 {
		return f.Err.Error()
	}
	return fmt.Sprintf("%v, in: %s", f.Err, f.Text)
}
