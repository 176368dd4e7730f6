package traces

import (
	"encoding/hex"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// knowledge is what a view can answer; all else is unknown.
type knowledge uint8

const (
	knowsResource knowledge = 1 << iota
	knowsSpan
	knowsRoot     // name and service of the root span
	knowsDuration // of the trace
)

// A view is the traceql.Source of one span at a time. It caches resource attributes.
type view struct {
	query *traceql.Query
	known knowledge

	resource   []byte
	ofResource []traceql.Value // by field, for the resource
	looked     []bool

	span     wire.Span
	root     traceql.Root
	duration uint64 // of the trace, ns
	id       [32]byte
}

func newView(q *traceql.Query) *view {
	n := len(q.Fields())
	return &view{query: q, ofResource: make([]traceql.Value, n), looked: make([]bool, n)}
}

// setResource starts another resource.
func (v *view) setResource(resource []byte) {
	v.resource = resource
	clear(v.looked)
}

func (v *view) match(body []byte) traceql.Verdict {
	v.span = wire.ParseSpan(body)
	return v.query.Match(v)
}

// Value implements traceql.Source.
func (v *view) Value(i int) traceql.Value {
	f := v.query.Fields()[i]
	if f.Scope == traceql.ScopeIntrinsic {
		return v.intrinsic(f.Intrinsic)
	}
	need := knowsSpan
	if f.Scope == traceql.ScopeResource {
		need = knowsResource
	}
	if v.known&need == 0 {
		return traceql.Value{Kind: traceql.KindUnknown}
	}
	if f.Scope != traceql.ScopeResource {
		value, ok := v.span.Attributes().Find(f.Name)
		if ok || f.Scope == traceql.ScopeSpan {
			return valueOf(value, ok)
		}
	}
	if !v.looked[i] {
		v.ofResource[i] = valueOf(wire.ResourceAttributes(v.resource).Find(f.Name))
		v.looked[i] = true
	}
	return v.ofResource[i]
}

func (v *view) intrinsic(i traceql.Intrinsic) traceql.Value {
	need := knowsSpan
	switch i {
	case traceql.RootName, traceql.RootService:
		need = knowsRoot
	case traceql.TraceDuration:
		need = knowsDuration
	}
	if v.known&need == 0 {
		return traceql.Value{Kind: traceql.KindUnknown}
	}
	switch i {
	case traceql.Name:
		return text(v.span.Name)
	case traceql.StatusMessage:
		return text(v.span.StatusMessage)
	case traceql.StatusCode:
		return traceql.Value{Kind: traceql.KindStatus, Int: int64(v.span.StatusCode)}
	case traceql.SpanKind:
		return traceql.Value{Kind: traceql.KindSpanKind, Int: int64(v.span.Kind)}
	case traceql.Duration:
		return traceql.Value{Kind: traceql.KindDuration, Int: int64(spanDuration(v.span))}
	case traceql.SpanID:
		return text(hex.AppendEncode(v.id[:0], v.span.SpanID))
	case traceql.ParentID:
		return text(hex.AppendEncode(v.id[:0], v.span.ParentSpanID))
	case traceql.TraceID:
		return text(hex.AppendEncode(v.id[:0], v.span.TraceID))
	case traceql.TraceDuration:
		return traceql.Value{Kind: traceql.KindDuration, Int: int64(v.duration)}
	}
	if !v.root.Found {
		return traceql.Value{}
	}
	if i == traceql.RootName {
		return text(v.root.Name)
	}
	return text(v.root.Service)
}

func text(b []byte) traceql.Value { return traceql.Value{Kind: traceql.KindString, Str: b} }

// valueOf converts an attribute for comparison.
func valueOf(v wire.Value, ok bool) traceql.Value {
	if !ok {
		return traceql.Value{}
	}
	switch v.Kind() {
	case wire.ValueString:
		return text(v.Str())
	case wire.ValueInt:
		return traceql.Value{Kind: traceql.KindInt, Int: v.Int()}
	case wire.ValueDouble:
		return traceql.Value{Kind: traceql.KindFloat, Float: v.Double()}
	case wire.ValueBool:
		n := int64(0)
		if v.Bool() {
			n = 1
		}
		return traceql.Value{Kind: traceql.KindBool, Int: n}
	case wire.ValueEmpty:
		return traceql.Value{}
	case wire.ValueArray:
		return traceql.Value{Kind: traceql.KindArray, Each: func(yield func(traceql.Value) bool) {
			for c := v.Array(); c.Next(); {
				if !yield(valueOf(c.Value(), true)) {
					return
				}
			}
		}}
	}
	return traceql.Value{Kind: traceql.KindOther}
}

// isRoot: some SDKs write an absent parent as zeros.
func isRoot(s wire.Span) bool { return !validID(s.ParentSpanID, 8) }

// better reports whether s is an earlier root than r.
func better(s wire.Span, r traceql.Root) bool {
	return isRoot(s) && (!r.Found || spanStart(s) < r.Start)
}

func rootOf(s wire.Span, resource []byte) traceql.Root {
	service, _ := wire.ResourceAttributes(resource).Find("service.name")
	return traceql.Root{Found: true, Start: spanStart(s), Name: s.Name, Service: service.AppendText(nil)}
}

func findRoot(r wire.Request) (best traceql.Root) {
	eachSpan(r, func(resource, body []byte) bool {
		if s := wire.ParseSpan(body); better(s, best) {
			best = rootOf(s, resource)
		}
		return true
	})
	return best
}

// eachSpan visits spans with their resource until visit returns false.
func eachSpan(r wire.Request, visit func(resource, span []byte) bool) {
	for rc := r.Resources(); rc.Next(); {
		resource := rc.Resource()
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				if !visit(resource, ic.Bytes()) {
					return
				}
			}
		}
	}
}
