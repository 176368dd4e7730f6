package ottl

import (
	"fmt"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/wire"
)

// A Run is one request on its way through a program. Its result is valid until Done.
type Run struct {
	program *Program
	report  Report
	trace   func(Step)
	err     error

	editor wire.Editor
	record record
	pass   *pass
	edit   func(*wire.Item) // runs pass; made once, since a closure for each request would allocate
	bufs   [2]*[]byte
	used   int

	events events
}

// events are those of one span that changed or go.
type events struct {
	bodies [][]byte // nil for as it came
	gone   []bool
	any    bool
}

var runs = sync.Pool{New: func() any {
	r := &Run{}
	r.edit = r.item
	return r
}}

var requests buffer.Scratch

// Start begins a run. Call Done when the result is no longer needed.
func (p *Program) Start(report Report) *Run {
	r := runs.Get().(*Run)
	r.program, r.report, r.err, r.trace = p, report, nil, p.trace
	return r
}

// Done gives the run's buffers back.
func (r *Run) Done() {
	r.release()
	runs.Put(r)
}

func (r *Run) release() {
	r.trace = nil
	for i, b := range r.bufs[:] {
		if b != nil {
			requests.Put(b)
			r.bufs[i] = nil
		}
	}
	r.record.end()
	r.record.client = client{}
	r.program, r.report, r.pass = nil, nil, nil
}

// buffer is the one that does not hold the request; it takes the next result.
func (r *Run) buffer() *[]byte {
	r.used = 1 - r.used
	if r.bufs[r.used] == nil {
		r.bufs[r.used] = requests.Get()
	}
	return r.bufs[r.used]
}

// Over runs the program and returns the request after it, which is the given one if nothing changed. An error is that
// of a statement in the mode Propagate; then the request is of no use.
func (r *Run) Over(request wire.Request) (wire.Request, error) {
	for i := range r.program.passes {
		r.pass = &r.program.passes[i]
		r.record.start()
		if r.pass.context <= Scope {
			r.walkHeaders(request)
		} else {
			buf := r.buffer()
			var done wire.Edited
			if r.pass.context == Metric {
				done = r.editor.EditMetrics((*buf)[:0], request, r.edit)
			} else {
				done = r.editor.EditItems((*buf)[:0], r.program.signal, request, r.edit)
			}
			if done.Changed {
				*buf, request = done.Request, done.Request
			} else {
				r.used = 1 - r.used
			}
		}
		r.record.end()
		if r.err != nil {
			return nil, r.err
		}
		request = r.replaceHeaders(request)
	}
	return request, nil
}

func (r *Run) replaceHeaders(request wire.Request) wire.Request {
	h := &r.record.headers
	if !h.any() {
		return request
	}
	buf := r.buffer()
	out, changed := wire.ReplaceHeaders((*buf)[:0], request, func(i int) []byte { return h.resource[i] }, func(i int) []byte { return h.scope[i] })
	if !changed {
		r.used = 1 - r.used
		return request
	}
	*buf = out
	return out
}

// walkHeaders runs a pass over resources or scopes.
func (r *Run) walkHeaders(request wire.Request) {
	rec, scope := &r.record, 0
	resource := 0
	for rs := request.Resources(); rs.Next(); resource++ {
		rec.leaveResource()
		rec.resourceAt, rec.resourceX, rec.resourceIn = resource, rs.Bytes(), rs.Resource()
		if r.pass.context == Resource {
			rec.fresh()
			r.execute()
			continue
		}
		for sc := rs.Scopes(); sc.Next(); scope++ {
			rec.leaveScope()
			rec.scopeAt, rec.scopeX, rec.scopeIn = scope, sc.Bytes(), sc.Scope()
			rec.fresh()
			r.execute()
		}
	}
}

// item runs the pass for an item of the editor.
func (r *Run) item(it *wire.Item) {
	if r.err != nil {
		return
	}
	r.record.begin(it)
	if r.pass.context == SpanEvent {
		r.spanEvents(it, func() bool {
			r.execute()
			return false
		})
		return
	}
	r.execute()
}

// spanEvents calls f for each event of a span, and writes those that changed and removes those for which it says true.
func (r *Run) spanEvents(span *wire.Item, f func() bool) {
	rec := &r.record
	rec.span = span
	e := &r.events
	e.bodies, e.gone, e.any = e.bodies[:0], e.gone[:0], false
	n := 0
	for c := wire.ParseSpan(span.Bytes()).Events(); c.Next(); n++ {
		rec.event.Open(wire.MessageEvent, c.Bytes())
		rec.item, rec.eventIndex = &rec.event, n
		rec.fresh()
		gone := f()
		var body []byte
		if rec.event.Changed() {
			body = append([]byte{}, rec.event.Bytes()...)
		}
		e.bodies, e.gone = append(e.bodies, body), append(e.gone, gone)
		e.any = e.any || gone || body != nil
	}
	if !e.any {
		return
	}
	out, n := rec.build[:0], 0
	for f := wire.MessageFields(span.Bytes()); f.Next(); {
		if f.Number() != wire.FieldSpanEvents {
			out = append(out, f.Framed()...)
			continue
		}
		switch {
		case e.gone[n]:
		case e.bodies[n] != nil:
			out = wire.AppendBytes(out, wire.FieldSpanEvents, e.bodies[n])
		default:
			out = append(out, f.Framed()...)
		}
		n++
	}
	span.SetBytes(out)
	rec.build = out
}

// execute runs the blocks of the pass for the current record.
func (r *Run) execute() {
	for i, b := range r.pass.blocks {
		if r.err != nil {
			return
		}
		if i > 0 {
			r.record.cache = r.record.cache[:0]
		}
		if len(b.conditions) > 0 && !r.holds(b.conditions, b.mode) {
			continue
		}
		for _, s := range b.statements {
			if err := r.run(s); err != nil && r.failed(s, b.mode, err) {
				return
			}
		}
	}
}

func (r *Run) run(s *statement) error {
	if r.trace != nil {
		return r.traced(s)
	}
	if s.when != nil {
		if ok, err := s.when(&r.record); err != nil || !ok {
			return err
		}
	}
	return s.do(&r.record)
}

// failed handles an error and reports whether the request ends.
func (r *Run) failed(s *statement, mode Mode, err error) bool {
	switch mode {
	case Propagate:
		s.fail(err, r.report)
		r.err = fmt.Errorf("statement %s: %w", s.text, err)
		return true
	case Ignore:
		s.fail(err, r.report)
	}
	return false
}

// holds reports whether any condition holds.
func (r *Run) holds(conditions []*statement, mode Mode) bool {
	for _, s := range conditions {
		ok, err := s.when(&r.record)
		if r.trace != nil {
			r.trace(Step{Text: s.text, Condition: true, Held: ok, Err: err})
		}
		if err != nil {
			if r.failed(s, mode, err) {
				return false
			}
			continue
		}
		if ok {
			return true
		}
	}
	return false
}
