package traces

import (
	"cmp"
	"context"
	"slices"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// maxTagScanBytes is how much a tag request reads, the newest first: tag names and values serve completion, where
// what is recent is enough and seconds are too long.
const maxTagScanBytes = 128 << 20

// maxTagBytes bounds the text of all values of an answer.
const maxTagBytes = 4 << 20

// tagNames are the attribute keys seen, by scope.
type tagNames struct {
	resource, span keySet
}

// A keySet holds distinct keys. Neighbouring spans mostly have the same keys in the same order, so the key seen last
// at the same position is asked before the map.
type keySet struct {
	keys  map[string]string // each key to itself
	last  [32]string
	limit int
}

func newKeySet(limit int) keySet { return keySet{keys: map[string]string{}, limit: limit} }

func (s *keySet) full() bool { return len(s.keys) >= s.limit }

// add adds the keys of one list of attributes.
func (s *keySet) add(c wire.Attributes) {
	for i := 0; c.Next(); i = (i + 1) % len(s.last) {
		if s.last[i] == string(c.Key()) && s.last[i] != "" {
			continue
		}
		key, known := s.keys[string(c.Key())]
		if !known {
			if s.full() {
				continue
			}
			key = string(c.Key())
			s.keys[key] = key
		}
		s.last[i] = key
	}
}

// A tagScan reads the spans that tag names and values are taken from.
type tagScan struct {
	window window
	limit  int            // distinct names of a scope, or values
	filter *traceql.Query // spans that count
}

// names collects attribute keys.
func (s *Store) names(ctx context.Context, q tagScan) (tagNames, inspected, error) {
	n := tagNames{newKeySet(q.limit), newKeySet(q.limit)}
	cost, err := s.tagSpans(ctx, q, func(v *view, newResource bool) bool {
		if newResource {
			n.resource.add(wire.ResourceAttributes(v.resource))
		}
		n.span.add(v.span.Attributes())
		return !n.resource.full() || !n.span.full()
	})
	return n, cost, err
}

// A tagValue is a value of a tag as text with its type.
type tagValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// values collects the values of a field. Durations and ids have none: there is a value for each span.
func (s *Store) values(ctx context.Context, q tagScan, f traceql.Field) ([]tagValue, inspected, error) {
	switch f.Intrinsic {
	case traceql.StatusCode, traceql.SpanKind:
		var values []tagValue
		for _, k := range traceql.Keywords(f.Intrinsic) {
			values = append(values, tagValue{"keyword", k})
		}
		return values, inspected{}, nil
	case traceql.Duration, traceql.TraceDuration, traceql.SpanID, traceql.ParentID, traceql.TraceID:
		return []tagValue{}, inspected{}, nil
	}
	seen := valueSet{limit: q.limit, values: map[string]map[string]struct{}{}}
	cost, err := s.tagSpans(ctx, q, func(v *view, _ bool) bool {
		seen.addField(v, f)
		return seen.count < q.limit && seen.bytes < maxTagBytes
	})
	return seen.list(), cost, err
}

// tagSpans visits the spans that the filter lets through, until visit answers false.
func (s *Store) tagSpans(ctx context.Context, q tagScan, visit func(v *view, newResource bool) bool) (inspected, error) {
	var cost inspected
	v := newView(q.filter)
	v.known = knowsResource | knowsSpan
	err := s.scan(ctx, q.window, func(f fragment) (bool, error) {
		cost.bytes += int64(len(f.spans))
		for rc := f.spans.Resources(); rc.Next(); {
			v.setResource(rc.Resource())
			newResource := true
			for sc := rc.Scopes(); sc.Next(); {
				for ic := sc.Items(); ic.Next(); {
					cost.spans++
					if v.match(ic.Bytes()) == traceql.No || spanStart(v.span) > q.window.to {
						continue
					}
					if !visit(v, newResource) {
						return false, nil
					}
					newResource = false
				}
			}
		}
		return cost.bytes < maxTagScanBytes, nil
	})
	return cost, err
}

// A valueSet holds distinct values by type.
type valueSet struct {
	values map[string]map[string]struct{}
	count  int
	bytes  int
	limit  int
	text   []byte
}

// addField adds the values that a span has of a field: of an attribute without scope, the span's and the resource's.
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
				s.add("string", r.name)
			} else {
				s.add("string", r.service)
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

// addValue adds what TraceQL can compare with; the elements of an array count one by one.
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
	if _, known := of[string(text)]; !known && s.count < s.limit {
		of[string(text)] = struct{}{}
		s.count++
		s.bytes += len(text)
	}
}

func (s *valueSet) list() []tagValue {
	list := make([]tagValue, 0, s.count)
	for typ, of := range s.values {
		for text := range of {
			list = append(list, tagValue{typ, text})
		}
	}
	slices.SortFunc(list, func(a, b tagValue) int {
		return cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Type, b.Type))
	})
	return list
}
