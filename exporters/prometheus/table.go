package prometheus

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/wire/prom"
)

const nameLabel = "__name__"

// table holds the last sample of each series, by family. Its user guards it.
type table struct {
	namespace string
	max       int

	series   []series          // by index; unused ones are in free
	free     []uint32          // indices
	byLabels map[string]uint32 // the labels as prom has them
	families map[string]*family
	live     int
	rest     map[string]total // of expired series of deltas, by their labels
}

// total is where a series of deltas goes on when one comes again: a counter of rare events that began at nothing each time
// would never be seen to grow. There are at most max, for restFor.
type total struct {
	value float64
	seen  int64
}

const restFor = 24 * 60 * 60 // seconds

// series is one line of an exposition, or a native histogram.
type series struct {
	labels   prom.Labels // with the name; nil when the index is free
	family   *family
	at       int    // among the family's members
	head     string // the line up to the value: name{label="value",...}
	group    string // the labels without name, le and quantile: members of one histogram or summary have the same
	suffix   string // of the name, after the family's
	bound    float64
	value    float64
	time     int64
	seen     int64 // when it came, unix seconds
	exposed  bool  // since it came
	delta    bool  // value is a total of ours
	native   *native
	exemplar *exemplar
}

type native struct {
	prom.Histogram
	spans  [2][]prom.Span
	deltas [2][]int64
}

type exemplar struct {
	labels string // {name="value",...}
	value  float64
	time   int64
	raw    prom.Labels
}

type family struct {
	key                   string // in families
	name, typ, help, unit string
	members               []uint32
	unsorted              bool
}

func newTable(namespace string, most int) *table {
	if namespace != "" {
		namespace += "_"
	}
	// Index 0 is not used: a slot of 0 says that the series is new.
	return &table{namespace: namespace, max: most, series: make([]series, 1), byLabels: map[string]uint32{}, families: map[string]*family{}, rest: map[string]total{}}
}

// outcome is what became of a sample.
type outcome uint8

const (
	kept outcome = iota
	overflow
	conflict // another type has the family's name
	repeated // the series has another value at the same time
)

// put stores a sample, unless a later one is there; a delta is added to what is there, whenever it came. The slot of a series is its index, a hint: indices are used again.
func (t *table) put(s *prom.Sample, now int64) outcome {
	i := uint32(*s.Slot)
	if i == 0 || int(i) >= len(t.series) || string(t.series[i].labels) != string(s.Labels) {
		var known bool
		if i, known = t.byLabels[string(s.Labels)]; !known {
			if s.Stale {
				return kept
			}
			var why outcome
			if i, why = t.add(s); why != kept {
				return why
			}
		}
		*s.Slot = uint64(i)
	}
	k := &t.series[i]
	if s.Stale {
		t.remove(i)
		return kept
	}
	switch {
	case s.Delta:
		k.add(s, now)
		return kept
	case s.Time < k.time:
		return kept
	case s.Time == k.time && s.Time > 0 && k.seen > 0 && s.Histogram == nil && math.Float64bits(s.Value) != math.Float64bits(k.value):
		return repeated
	}
	k.value, k.time, k.seen, k.exposed = s.Value, s.Time, now, false
	if s.Histogram != nil {
		k.hold(s.Histogram)
	}
	if n := len(s.Exemplars); n > 0 {
		k.exemplify(&s.Exemplars[n-1])
	}
	return kept
}

// add adds a delta to the total. It may be late, and two of one time are two: several processes, or batches of a connector,
// count into one series.
func (k *series) add(s *prom.Sample, now int64) {
	k.value += s.Value
	k.time, k.seen, k.exposed, k.delta = max(k.time, s.Time), now, false, true
	if n := len(s.Exemplars); n > 0 {
		k.exemplify(&s.Exemplars[n-1])
	}
}

// hold copies a histogram, whose slices are lent.
func (k *series) hold(h *prom.Histogram) {
	if k.native == nil {
		k.native = &native{}
	}
	n := k.native
	n.Histogram = *h
	for i, from := range [2]struct {
		spans  []prom.Span
		deltas []int64
	}{{h.PositiveSpans, h.PositiveDeltas}, {h.NegativeSpans, h.NegativeDeltas}} {
		n.spans[i] = append(n.spans[i][:0], from.spans...)
		n.deltas[i] = append(n.deltas[i][:0], from.deltas...)
	}
	n.PositiveSpans, n.PositiveDeltas, n.NegativeSpans, n.NegativeDeltas = n.spans[0], n.deltas[0], n.spans[1], n.deltas[1]
}

func (k *series) exemplify(x *prom.Exemplar) {
	if k.exemplar == nil {
		k.exemplar = &exemplar{}
	}
	e := k.exemplar
	e.value, e.time = x.Value, x.Time
	if string(e.raw) != string(x.Labels) {
		e.raw = append(e.raw[:0], x.Labels...)
		e.labels = string(appendLabels(nil, x.Labels, ""))
	}
}

func (t *table) add(s *prom.Sample) (uint32, outcome) {
	if t.live >= t.max {
		return 0, overflow
	}
	name := s.Family.Name
	f := t.families[name]
	if f != nil && f.typ != s.Family.Type {
		return 0, conflict
	}
	if f == nil {
		f = &family{key: strings.Clone(name), name: t.named(name), typ: s.Family.Type, help: s.Family.Help, unit: s.Family.Unit}
		t.families[f.key] = f
	}
	i := uint32(len(t.series))
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.series = append(t.series, series{})
	}
	k := &t.series[i]
	*k = series{labels: slices.Clone(s.Labels), family: f, at: len(f.members), time: s.Time}
	metric := string(s.Labels.Get(nameLabel))
	k.suffix = strings.TrimPrefix(metric, name)
	skip := ""
	switch f.typ {
	case "histogram", "gaugehistogram":
		skip = "le"
	case "summary":
		skip = "quantile"
	}
	k.group = string(appendLabels(nil, s.Labels, skip))
	own := "" // the sum and count of a histogram have no le, whatever attributes it has
	if k.suffix == "_sum" || k.suffix == "_count" {
		own = skip
	}
	k.head = string(appendLabels([]byte(t.named(metric)), s.Labels, own))
	if skip != "" {
		k.bound, _ = strconv.ParseFloat(string(s.Labels.Get(skip)), 64)
	}
	if s.Delta {
		k.value = t.rest[string(s.Labels)].value
		delete(t.rest, string(s.Labels))
	}
	f.members = append(f.members, i)
	f.unsorted = true
	t.byLabels[string(k.labels)] = i
	t.live++
	return i, kept
}

// named is a name with the namespace. target_info has none: it is joined by its name.
func (t *table) named(name string) string {
	if name == "target_info" {
		return name
	}
	return t.namespace + name
}

// remove takes a series out; the family's last member takes its place.
func (t *table) remove(i uint32) {
	at, f := t.series[i].at, t.series[i].family
	last := len(f.members) - 1
	f.members[at] = f.members[last]
	t.series[f.members[at]].at = at
	f.members, f.unsorted = f.members[:last], true
	t.forget(i)
	if last == 0 {
		delete(t.families, f.key)
	}
}

func (t *table) forget(i uint32) {
	delete(t.byLabels, string(t.series[i].labels))
	t.series[i] = series{}
	t.free = append(t.free, i)
	t.live--
}

// expire removes the series without a sample since a time, and returns how many of them nobody scraped since their last one.
func (t *table) expire(before int64) (unscraped int) {
	for labels, r := range t.rest {
		if r.seen < before-restFor {
			delete(t.rest, labels)
		}
	}
	for name, f := range t.families {
		all := len(f.members)
		f.members = slices.DeleteFunc(f.members, func(i uint32) bool {
			k := &t.series[i]
			if k.seen >= before {
				return false
			}
			if !k.exposed {
				unscraped++
			}
			if k.delta && len(t.rest) < t.max {
				t.rest[string(k.labels)] = total{k.value, k.seen}
			}
			t.forget(i)
			return true
		})
		switch len(f.members) {
		case all:
		case 0:
			delete(t.families, name)
		default:
			t.number(f)
		}
	}
	return unscraped
}

// sorted are the names of the families, in order.
func (t *table) sorted() []string {
	out := make([]string, 0, len(t.families))
	for name := range t.families {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// order sorts a family: members of one histogram stand together, its buckets by bound, then sum and count.
func (t *table) order(f *family) {
	if !f.unsorted {
		return
	}
	f.unsorted = false
	slices.SortFunc(f.members, func(a, b uint32) int {
		x, y := &t.series[a], &t.series[b]
		return cmp.Or(strings.Compare(x.group, y.group), rank(x)-rank(y), cmp.Compare(x.bound, y.bound), strings.Compare(x.head, y.head))
	})
	t.number(f)
}

// number tells the members where they stand.
func (t *table) number(f *family) {
	for at, i := range f.members {
		t.series[i].at = at
	}
}

func rank(k *series) int {
	switch k.suffix {
	case "_sum":
		return 1
	case "_count":
		return 2
	case "_created":
		return 3
	}
	return 0
}

// appendLabels writes {name="value",...} without the name of the metric and the label to skip; nothing if there are none.
func appendLabels(dst []byte, labels prom.Labels, skip string) []byte {
	from := len(dst)
	for c := labels.Cursor(); c.Next(); {
		if name := string(c.Name); name == nameLabel || skip != "" && name == skip {
			continue
		}
		if len(dst) == from {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, c.Name...)
		dst = append(dst, '=', '"')
		dst = appendEscaped(dst, c.Value, true)
		dst = append(dst, '"')
	}
	if len(dst) > from {
		dst = append(dst, '}')
	}
	return dst
}

// appendEscaped escapes as both text formats do.
func appendEscaped(dst, text []byte, quotes bool) []byte {
	for _, b := range text {
		switch {
		case b == '\\':
			dst = append(dst, '\\', '\\')
		case b == '\n':
			dst = append(dst, '\\', 'n')
		case b == '"' && quotes:
			dst = append(dst, '\\', '"')
		default:
			dst = append(dst, b)
		}
	}
	return dst
}
