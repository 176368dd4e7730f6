package traces

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// maxTagScanBytes limits a tag request, newest first: completion needs speed, not all values.
const maxTagScanBytes = 128 << 20

// maxTagBytes limits the text of all values in an answer.
const maxTagBytes = 4 << 20

// A keySet holds distinct keys. Neighbouring spans mostly have the same keys in the same order, so add tries the last
// key at that position before the map.
type keySet struct {
	keys  map[string]string // each key to itself
	last  [32]string
	limit int
	over  bool // there are more
}

func newKeySet(limit int) keySet { return keySet{keys: map[string]string{}, limit: limit} }

func (s *keySet) add(c wire.Attributes) {
	for i := 0; c.Next(); i = (i + 1) % len(s.last) {
		if s.last[i] == string(c.Key()) && s.last[i] != "" {
			continue
		}
		key, known := s.keys[string(c.Key())]
		if !known {
			if s.over = len(s.keys) >= s.limit; s.over {
				return
			}
			key = string(c.Key())
			s.keys[key] = key
		}
		s.last[i] = key
	}
}

// Tags collects attribute keys.
func (s *Store) Tags(ctx context.Context, q traceql.TagScan) (traceql.Tags, traceql.Cost, error) {
	resource, span := newKeySet(q.Limit), newKeySet(q.Limit)
	cost, err := s.tagSpans(ctx, q, func(v *view, newResource bool) bool {
		if newResource {
			resource.add(wire.ResourceAttributes(v.resource))
		}
		span.add(v.span.Attributes())
		return !resource.over || !span.over
	})
	if resource.over || span.over {
		cost.Partial = moreThan(q.Limit, "names")
	}
	return traceql.Tags{
		Resource: slices.Collect(maps.Keys(resource.keys)), Span: slices.Collect(maps.Keys(span.keys)),
	}, cost, err
}

// TagValues collects the values of a field; none for durations and ids, which are mostly unique.
func (s *Store) TagValues(ctx context.Context, q traceql.TagScan, f traceql.Field) ([]traceql.TagValue, traceql.Cost, error) {
	switch f.Intrinsic {
	case traceql.StatusCode, traceql.SpanKind:
		var values []traceql.TagValue
		for _, k := range traceql.Keywords(f.Intrinsic) {
			values = append(values, traceql.TagValue{Type: "keyword", Value: k})
		}
		return values, traceql.Cost{}, nil
	case traceql.Duration, traceql.TraceDuration, traceql.SpanID, traceql.ParentID, traceql.TraceID:
		return []traceql.TagValue{}, traceql.Cost{}, nil
	}
	seen := valueSet{limit: q.Limit, values: map[string]map[string]struct{}{}}
	cost, err := s.tagSpans(ctx, q, func(v *view, _ bool) bool {
		seen.addField(v, f)
		return !seen.over
	})
	if seen.over {
		cost.Partial = moreThan(seen.count, "values")
	}
	return seen.list(), cost, err
}

func moreThan(n int, what string) string {
	return fmt.Sprintf("there are more %s than these %d; ask for a shorter range, or with a narrower q", what, n)
}

// tagSpans visits the spans that match the filter until visit returns false.
func (s *Store) tagSpans(ctx context.Context, q traceql.TagScan, visit func(v *view, newResource bool) bool) (traceql.Cost, error) {
	var cost traceql.Cost
	v := newView(q.Filter)
	v.known = knowsResource | knowsSpan
	err := s.scan(ctx, q.Window, func(f fragment) (bool, error) {
		cost.Bytes += int64(len(f.spans))
		for rc := f.spans.Resources(); rc.Next(); {
			v.setResource(rc.Resource())
			newResource := true
			for sc := rc.Scopes(); sc.Next(); {
				for ic := sc.Items(); ic.Next(); {
					cost.Spans++
					if v.match(ic.Bytes()) == traceql.No || spanStart(v.span) > q.Window.To {
						continue
					}
					if !visit(v, newResource) {
						return false, nil
					}
					newResource = false
				}
			}
		}
		if cost.Bytes >= maxTagScanBytes {
			cost.Partial = fmt.Sprintf("only the newest %d MiB of the range were read", maxTagScanBytes>>20)
		}
		return cost.Partial == "", nil
	})
	return cost, err
}

type valueSet struct {
	values map[string]map[string]struct{}
	count  int
	bytes  int
	limit  int
	over   bool // there are more
	text   []byte
}

// addField adds a field's values; without scope, the span's and the resource's.
func (s *valueSet) addField(v *view, f traceql.Field) {
	switch f.Intrinsic {
	case traceql.Name:
		s.add("string", v.span.Name)
		return
	case traceql.StatusMessage:
		if len(v.span.StatusMessage) > 0 {
			s.add("string", v.span.StatusMessage)
		}
		return
	case traceql.RootName, traceql.RootService:
		if isRoot(v.span) {
			r := rootOf(v.span, v.resource)
			if f.Intrinsic == traceql.RootName {
				s.add("string", r.Name)
			} else {
				s.add("string", r.Service)
			}
		}
		return
	}
	if f.Scope != traceql.ScopeResource {
		if value, ok := v.span.Attributes().Find(f.Name); ok {
			s.addValue(value)
		}
	}
	if f.Scope != traceql.ScopeSpan {
		if value, ok := wire.ResourceAttributes(v.resource).Find(f.Name); ok {
			s.addValue(value)
		}
	}
}

// addValue adds a value that TraceQL can compare, or the elements of an array.
func (s *valueSet) addValue(v wire.Value) {
	typ := ""
	switch v.Kind() {
	case wire.ValueString:
		typ = "string"
	case wire.ValueInt:
		typ = "int"
	case wire.ValueDouble:
		typ = "float"
	case wire.ValueBool:
		typ = "bool"
	case wire.ValueArray:
		for c := v.Array(); c.Next(); {
			if e := c.Value(); e.Kind() != wire.ValueArray {
				s.addValue(e)
			}
		}
		return
	default:
		return
	}
	s.text = v.AppendText(s.text[:0])
	s.add(typ, s.text)
}

func (s *valueSet) add(typ string, text []byte) {
	of := s.values[typ]
	if of == nil {
		of = map[string]struct{}{}
		s.values[typ] = of
	}
	if _, known := of[string(text)]; known {
		return
	}
	if s.over = s.count >= s.limit || s.bytes+len(text) > maxTagBytes; s.over {
		return
	}
	of[string(text)] = struct{}{}
	s.count++
	s.bytes += len(text)
}

func (s *valueSet) list() []traceql.TagValue {
	list := make([]traceql.TagValue, 0, s.count)
	for typ, of := range s.values {
		for text := range of {
			list = append(list, traceql.TagValue{Type: typ, Value: text})
		}
	}
	slices.SortFunc(list, func(a, b traceql.TagValue) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Type, b.Type))
	})
	return list
}
