package ottl

import "github.com/sluiceio/sluice/wire"

// A Step is a statement or condition that met a record.
type Step struct {
	Text      string
	Condition bool // of a block or a filter; else a statement
	Held      bool // the condition holds; of a statement that in its where, or there is none
	Err       error

	// Before and After are of a statement: the record alone, as a request. In a context above records it has no item.
	Signal        wire.Signal
	Before, After wire.Request
}

// Trace sets who is told of each Step, before any run; nil: nobody.
func (p *Program) Trace(f func(Step)) { p.trace = f }

// Trace sets who is told of each Step, before any run; nil: nobody.
func (f *Filter) Trace(to func(Step)) { f.trace = to }

// Trace sets who is told of each Step, before any run; nil: nobody.
func (c *Conditions) Trace(to func(Step)) { c.trace = to }

// traced runs a statement under a trace.
func (r *Run) traced(s *statement) error {
	step := Step{Text: s.text, Held: true, Signal: r.program.signal, Before: r.current()}
	if s.when != nil {
		step.Held, step.Err = s.when(&r.record)
	}
	if step.Err == nil && step.Held {
		step.Err = s.do(&r.record)
	}
	step.After = r.current()
	r.trace(step)
	return step.Err
}

// current is the record as it is now, as a request.
func (r *Run) current() wire.Request {
	rec := &r.record
	var scope []byte
	if r.pass.context != Resource {
		scope = wire.AppendBytes(nil, wire.FieldScopeXScope, rec.at(slotScope).Bytes())
	}
	if r.pass.context > Scope {
		scope = wire.AppendBytes(scope, wire.FieldScopeXItem, r.currentItem())
	}
	resource := wire.AppendBytes(nil, wire.FieldResourceXResource, rec.at(slotResource).Bytes())
	if scope != nil {
		resource = wire.AppendBytes(resource, wire.FieldResourceXScope, scope)
	}
	return wire.AppendBytes(nil, wire.FieldRequestResource, resource)
}

// currentItem is the log record, span or metric, with nothing in it beside the record.
func (r *Run) currentItem() []byte {
	rec := &r.record
	switch r.pass.context {
	case SpanEvent:
		return replace(rec.span.Bytes(), wire.FieldSpanEvents, func([]byte) []byte {
			return wire.AppendBytes(nil, wire.FieldSpanEvents, rec.event.Bytes())
		})
	case DataPoint:
		data := map[wire.MetricType]int{
			wire.MetricGauge: wire.FieldMetricGauge, wire.MetricSum: wire.FieldMetricSum, wire.MetricHistogram: wire.FieldMetricHistogram,
			wire.MetricExponentialHistogram: wire.FieldMetricExponentialHistogram, wire.MetricSummary: wire.FieldMetricSummary,
		}[rec.item.MetricType()]
		return replace(rec.item.Metric(), data, func(body []byte) []byte {
			points := replace(body, wire.FieldDataPoints, func([]byte) []byte {
				return wire.AppendBytes(nil, wire.FieldDataPoints, rec.item.Bytes())
			})
			return wire.AppendBytes(nil, data, points)
		})
	}
	return rec.item.Bytes()
}

// replace puts what with makes in place of the first such field, and leaves out further ones.
func replace(message []byte, field int, with func(body []byte) []byte) (out []byte) {
	done := false
	for f := wire.MessageFields(message); f.Next(); {
		switch {
		case f.Number() != field:
			out = append(out, f.Framed()...)
		case !done:
			out, done = append(out, with(f.Body())...), true
		}
	}
	return out
}
