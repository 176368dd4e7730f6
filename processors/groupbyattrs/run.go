package groupbyattrs

import (
	"bytes"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// A group is a ResourceX that is made: a resource, its scopes, their metrics or records.
type group struct {
	resource, schema []byte
	scopes           []int
}

// A scope is a ScopeX that is made.
type scope struct {
	body, schema []byte
	leaves       []int
}

// A leaf holds records: of a scope, or the points of a metric.
type leaf struct {
	head     []byte // of a metric: its fields without the data
	data     int    // of a metric: the number of the field with the points; else 0
	dataHead []byte // the fields of that without the points
	items    []byte // framed
	from     []pipeline.Moved
}

// run is a request on its way. Its memory is used again.
type run struct {
	keys     []string
	resource wire.Item

	groups  []group
	scopes  []scope
	leaves  []leaf
	places  map[string]int // by what identifies a group, scope or leaf, each with a letter in front
	index   int            // of the next item
	came    int            // how many ResourceX, ScopeX and metrics there were
	grouped bool           // whether an attribute was moved
	copied  int            // bytes of what is around the items

	key, text, rest []byte
	found           []entry
}

// An entry is an attribute that is moved: its place in keys, and its value.
type entry struct {
	key   int
	value []byte // AnyValue body
}

func newRun(keys []string) *run { return &run{keys: keys, places: map[string]int{}} }

// maxKept is how much memory of leaves, and maxPlaces how many places, are kept after a large request.
const maxKept, maxPlaces = 4 << 20, 4096

// maxCopied bounds the bytes of resources, scopes and metrics that are written for one request: a large resource is repeated for
// each group that its records become.
const maxCopied = 32 << 20

// collect sorts all items into leaves. It returns false if the result would be too large and the batch can be cut.
func (r *run) collect(b pipeline.Batch) bool {
	s, request := b.Signal, b.Request
	r.copied = 0
	r.index, r.came, r.grouped = 0, 0, false
	at := place{}
	for rs := request.Resources(); rs.Next(); at.resource++ {
		r.came++
		at.body, at.schema = rs.Resource(), rs.SchemaURL()
		for sc := rs.Scopes(); sc.Next(); at.scope++ {
			r.came++
			at.scopeBody, at.scopeSchema = sc.Scope(), sc.SchemaURL()
			for items := sc.Items(); items.Next(); {
				if b.Items > 1 && r.copied > maxCopied+len(request) {
					return false
				}
				if s == wire.Metrics {
					r.came++
					r.metric(&at, items.Bytes())
					continue
				}
				rest := r.split(items.Bytes(), fields[s])
				r.put(r.leaf(r.scope(&at), leaf{}), wire.FieldScopeXItem, rest)
			}
		}
	}
	return true
}

// release forgets the request, and gives back what a large one took.
func (r *run) release() {
	if len(r.places) > maxPlaces {
		r.places, r.groups, r.scopes, r.leaves = map[string]int{}, nil, nil, nil
	}
	clear(r.places)
	clear(r.groups)
	clear(r.scopes)
	r.groups, r.scopes = r.groups[:0], r.scopes[:0]
	kept := 0
	for i := range r.leaves {
		l := &r.leaves[i]
		kept += cap(l.items)
		*l = leaf{items: l.items[:0], from: l.from[:0]}
	}
	if r.leaves = r.leaves[:0]; kept > maxKept {
		r.leaves = nil
	}
}

// changes reports whether the result differs from what came.
func (r *run) changes() bool {
	made := len(r.groups) + len(r.scopes)
	for i := range r.leaves {
		if r.leaves[i].data != 0 {
			made++
		}
	}
	return r.grouped || made != r.came
}

// place is where an item came from.
type place struct {
	resource, scope        int
	body, schema           []byte // of the resource
	scopeBody, scopeSchema []byte
}

// metric sorts the points of a metric.
func (r *run) metric(at *place, body []byte) {
	var data []byte
	l := leaf{}
	m := wire.ParseMetric(body)
	for f := wire.MessageFields(body); f.Next(); {
		switch f.Number() {
		case wire.FieldMetricGauge, wire.FieldMetricSum, wire.FieldMetricHistogram, wire.FieldMetricExponentialHistogram, wire.FieldMetricSummary:
			l.data, data = f.Number(), f.Body()
		default:
			l.head = append(l.head, f.Framed()...)
		}
	}
	for f := wire.MessageFields(data); f.Next(); {
		if f.Number() != wire.FieldDataPoints {
			l.dataHead = append(l.dataHead, f.Framed()...)
		}
	}
	attributes := wire.FieldNumberAttributes
	switch m.Type {
	case wire.MetricHistogram:
		attributes = wire.FieldHistogramAttributes
	case wire.MetricExponentialHistogram:
		attributes = wire.FieldExponentialAttributes
	case wire.MetricSummary:
		attributes = wire.FieldSummaryAttributes
	}
	for f := wire.MessageFields(data); f.Next(); {
		if f.Number() == wire.FieldDataPoints {
			rest := r.split(f.Body(), attributes)
			r.put(r.leaf(r.scope(at), l), wire.FieldDataPoints, rest)
		}
	}
}

// split finds the attributes that are moved and returns the item without them. Of a repeated key the first counts.
func (r *run) split(item []byte, field int) []byte {
	r.found = r.found[:0]
	if len(r.keys) == 0 {
		return item
	}
	taken, pos := 0, 0
	for f := wire.MessageFields(item); f.Next(); {
		start := pos
		pos += len(f.Framed())
		if f.Number() != field {
			continue
		}
		key, _ := wire.ParseKeyValue(f.Body())
		i := slices.IndexFunc(r.keys, func(k string) bool { return k == string(key) })
		if i < 0 || slices.ContainsFunc(r.found, func(e entry) bool { return e.key == i }) {
			continue
		}
		if len(r.found) == 0 {
			r.rest = r.rest[:0]
		}
		r.found = append(r.found, entry{i, wire.FindBytes(f.Body(), wire.FieldKeyValueValue)})
		r.rest = append(r.rest, item[taken:start]...)
		taken = pos
	}
	if len(r.found) == 0 {
		return item
	}
	r.grouped = true
	r.rest = append(r.rest, item[taken:]...)
	slices.SortFunc(r.found, func(a, b entry) int { return a.key - b.key })
	return r.rest
}

// scope is the index of the ScopeX for the item that was split last.
func (r *run) scope(at *place) int {
	// The same resource or scope and the same values: no need to look at what they are.
	k := append(r.key[:0], 's')
	k = wire.AppendVarint(k, uint64(at.scope))
	for _, e := range r.found {
		k = wire.AppendVarint(wire.AppendVarint(k, uint64(e.key)), uint64(len(e.value)))
		k = append(k, e.value...)
	}
	r.key = k
	if i, ok := r.places[string(k)]; ok {
		return i
	}
	same := string(k)
	g := r.group(at)
	k = wire.AppendVarint(append(r.text[:0], 'S'), uint64(g))
	k = wire.AppendVarint(k, uint64(len(at.scopeSchema)))
	k = append(append(k, at.scopeSchema...), at.scopeBody...)
	r.text = k
	i, ok := r.places[string(k)]
	if !ok {
		i = len(r.scopes)
		r.scopes = append(r.scopes, scope{body: at.scopeBody, schema: at.scopeSchema})
		r.copied += len(at.scopeBody) + len(at.scopeSchema)
		r.groups[g].scopes = append(r.groups[g].scopes, i)
		r.places[string(k)] = i
	}
	r.places[same] = i
	return i
}

// group is the index of the ResourceX for the item that was split last: that of a resource with the same attributes, in any
// order.
func (r *run) group(at *place) int {
	r.resource.Open(wire.MessageResource, at.body)
	for _, e := range r.found {
		r.resource.SetAttribute(r.keys[e.key], wire.ParseValue(e.value))
	}
	body := at.body
	if r.resource.Changed() {
		body = bytes.Clone(r.resource.Bytes())
	}
	var parts [][]byte
	for f := wire.MessageFields(body); f.Next(); {
		part := f.Framed()
		if f.Number() == wire.FieldResourceAttributes { // encoders write key and value in either order
			part = wire.AppendBytes(nil, wire.FieldKeyValueKey, wire.FindBytes(f.Body(), wire.FieldKeyValueKey))
			part = wire.AppendBytes(part, wire.FieldKeyValueValue, wire.FindBytes(f.Body(), wire.FieldKeyValueValue))
		}
		parts = append(parts, part)
	}
	slices.SortFunc(parts, bytes.Compare)
	k := wire.AppendVarint([]byte{'R'}, uint64(len(at.schema)))
	k = append(append(k, at.schema...), bytes.Join(parts, nil)...)
	i, ok := r.places[string(k)]
	if !ok {
		i = len(r.groups)
		r.groups = append(r.groups, group{resource: body, schema: at.schema})
		r.copied += len(body) + len(at.schema)
		r.places[string(k)] = i
	}
	return i
}

// leaf is the index of the leaf of a scope: its only one, or that of a metric that is like l but for the points.
func (r *run) leaf(in int, l leaf) int {
	k := wire.AppendVarint(append(r.text[:0], 'L'), uint64(in))
	if l.data != 0 {
		k = wire.AppendVarint(append(k, byte(l.data)), uint64(len(l.head)))
		k = append(append(k, l.head...), l.dataHead...)
	}
	r.text = k
	if i, ok := r.places[string(k)]; ok {
		return i
	}
	i := len(r.leaves)
	if i < cap(r.leaves) { // with the memory of an earlier request
		r.leaves = r.leaves[:i+1]
		l.items, l.from = r.leaves[i].items, r.leaves[i].from
		r.leaves[i] = l
	} else {
		r.leaves = append(r.leaves, l)
	}
	r.scopes[in].leaves = append(r.scopes[in].leaves, i)
	r.copied += len(l.head) + len(l.dataHead)
	r.places[string(k)] = i
	return i
}

// put appends the next item of the request to a leaf.
func (r *run) put(i, field int, item []byte) {
	l := &r.leaves[i]
	l.items = wire.AppendBytes(l.items, field, item)
	if n := len(l.from); n > 0 && l.from[n-1].From+l.from[n-1].N == r.index {
		l.from[n-1].N++
	} else {
		l.from = append(l.from, pipeline.Moved{From: r.index, N: 1})
	}
	r.index++
}

// build appends the new request, and says where its items were.
func (r *run) build(dst []byte) (wire.Request, pipeline.ItemMap) {
	var order pipeline.ItemMap
	for _, g := range r.groups {
		var resource int
		dst, resource = wire.BeginMessage(dst, wire.FieldRequestResource)
		if g.resource != nil {
			dst = wire.AppendBytes(dst, wire.FieldResourceXResource, g.resource)
		}
		for _, i := range g.scopes {
			s := &r.scopes[i]
			var in int
			dst, in = wire.BeginMessage(dst, wire.FieldResourceXScope)
			if s.body != nil {
				dst = wire.AppendBytes(dst, wire.FieldScopeXScope, s.body)
			}
			for _, i := range s.leaves {
				dst = r.leaves[i].append(dst)
				order = append(order, r.leaves[i].from...)
			}
			if len(s.schema) > 0 {
				dst = wire.AppendBytes(dst, wire.FieldScopeXSchemaURL, s.schema)
			}
			dst = wire.EndMessage(dst, in)
		}
		if len(g.schema) > 0 {
			dst = wire.AppendBytes(dst, wire.FieldResourceXSchemaURL, g.schema)
		}
		dst = wire.EndMessage(dst, resource)
	}
	return dst, order
}

func (l *leaf) append(dst []byte) []byte {
	if l.data == 0 {
		return append(dst, l.items...)
	}
	dst, metric := wire.BeginMessage(dst, wire.FieldScopeXItem)
	dst = append(dst, l.head...)
	dst, data := wire.BeginMessage(dst, l.data)
	dst = append(append(dst, l.dataHead...), l.items...)
	return wire.EndMessage(wire.EndMessage(dst, data), metric)
}
