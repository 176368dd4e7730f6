package traces

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/store/traces/tracestest"
	"github.com/sluiceio/sluice/wire"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// everySpan lists the spans of a request with all that stands around them, as text that sorts.
func everySpan(t testing.TB, r wire.Request) (list []string) {
	t.Helper()
	td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(r)
	if err != nil {
		t.Fatalf("pdata does not read %x: %v", []byte(r), err)
	}
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				one := ptrace.NewTraces()
				ors := one.ResourceSpans().AppendEmpty()
				rs.Resource().CopyTo(ors.Resource())
				ors.SetSchemaUrl(rs.SchemaUrl())
				oss := ors.ScopeSpans().AppendEmpty()
				ss.Scope().CopyTo(oss.Scope())
				oss.SetSchemaUrl(ss.SchemaUrl())
				s.CopyTo(oss.Spans().AppendEmpty())
				b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(one)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, fmt.Sprintf("%x", b))
			}
		}
	}
	slices.Sort(list)
	return list
}

// split groups a request and returns the fragments, having checked that each is of one trace and where it says.
func split(t testing.TB, r wire.Request) (whole wire.Request, g *group) {
	t.Helper()
	g = new(group)
	g.read(r, traceql.Window{To: ^uint64(0)})
	err := g.fragments(func(p place, fragment []byte) error {
		var from, when uint64
		eachSpan(fragment, func(_, body []byte) bool {
			s := wire.ParseSpan(body)
			if !bytes.Equal(s.TraceID, p.trace[:]) {
				t.Errorf("a span of trace %x in a fragment of %x", s.TraceID, p.trace)
			}
			if from == 0 || spanStart(s) < from {
				from = spanStart(s)
			}
			when = max(when, spanEnd(s))
			return true
		})
		if p.from != from || p.when != when {
			t.Errorf("place %d-%d of spans %d-%d", p.from, p.when, from, when)
		}
		whole = append(whole, fragment...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return whole, g
}

func TestFragmentsKeepEverything(t *testing.T) {
	td := tracestest.SpanText(t, `
resource service.name=a
scope lib 1
span 1/1 - one server -5s 1s x=1
span 2/1 - two server -5s 1s
span 1/2 1 three client -4s 1s
scope other 2
span 2/2 1 four client -4s 1s
span 1/3 1 five client -3s 9s
resource service.name=b
span 1/4 1 six server -6s 1s
resource
span 3/1 - seven server -6s 1s
`)
	td.ResourceSpans().At(0).SetSchemaUrl("https://a")
	td.ResourceSpans().At(0).ScopeSpans().At(1).SetSchemaUrl("https://b")
	r := tracestest.BatchOf(t, td).Request
	whole, g := split(t, r)
	if got, want := everySpan(t, whole), everySpan(t, r); !slices.Equal(got, want) {
		t.Errorf("spans differ:\n got %v\nwant %v", got, want)
	}
	if n := g.rejects.Items(); n != 0 {
		t.Errorf("%d spans rejected", n)
	}
	again, n := unique(append(append(wire.Request{}, whole...), r...))
	if got, want := everySpan(t, again), everySpan(t, r); !slices.Equal(got, want) || n != len(want) {
		t.Errorf("unique keeps %d spans of %d", n, len(want))
	}
	if same, n := unique(r); n != 7 || &same[0] != &r[0] {
		t.Errorf("unique copies what holds nothing twice (%d spans)", n)
	}
}

// FuzzFragments takes any body that wire.Check takes: fragments and refusals together are all of its spans.
func FuzzFragments(f *testing.F) {
	for _, text := range []string{
		"span 1/1 - a server -5s 1s", "resource a=1\nspan 1/1 - a server -5s 1s\nspan 2/1 - b server -5s 1s\nspan 1/2 1 c client 0s 0s",
		"span 0/1 - a server -5s 1s\nspan 1/0 - a server -5s 1s", "resource a=[1,2]\nscope x 1\nscope y 2\nspan 1/1 - a server -9s 1s",
	} {
		f.Add([]byte(tracestest.BatchOf(f, tracestest.SpanText(f, text)).Request))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, info, err := wire.Check(wire.Traces, body, wire.Limits{})
		if err != nil {
			return
		}
		whole, g := split(t, r)
		kept := wire.Count(wire.Traces, whole)
		rejected := g.rejects.Items()
		if kept+rejected != info.Items {
			t.Fatalf("%d kept, %d rejected of %d", kept, rejected, info.Items)
		}
		if _, _, err := wire.Check(wire.Traces, whole, wire.Limits{}); err != nil {
			t.Fatalf("fragments are not well-formed: %v", err)
		}
		if rejected == 0 {
			if got, want := everySpan(t, whole), everySpan(t, r); !slices.Equal(got, want) {
				t.Fatalf("spans differ:\n got %v\nwant %v", got, want)
			}
		}
		once, n := unique(whole)
		if again, m := unique(append(append(wire.Request{}, whole...), whole...)); m != n ||
			!slices.Equal(everySpan(t, again), everySpan(t, once)) {
			t.Fatalf("unique of twice the same: %d spans, once %d", m, n)
		}
	})
}

func TestKeys(t *testing.T) {
	places := []place{
		{trace: traceql.ID{1}, when: 5 * nsPerHour, hash: 7}, {trace: traceql.ID{15: 1}, when: 5*nsPerHour - 1, hash: 9},
		{trace: traceql.ID{1}, when: 1 << 62, hash: ^uint64(0)}, {when: 1},
	}
	for _, p := range places {
		if got, ok := placeOfFragment(p.appendFragmentKey(nil)); !ok || got != p {
			t.Errorf("fragment key of %v reads as %v", p, got)
		}
		p.from = 3
		if got, ok := placeOfIndex(p.appendIndexKey(nil), []byte{7: 3}); !ok || got != p {
			t.Errorf("index row of %v reads as %v", p, got)
		}
		lower, upper := hourRange(p.hour())
		key := p.appendFragmentKey(nil)
		if bytes.Compare(key, lower) < 0 || bytes.Compare(key, upper) >= 0 {
			t.Errorf("the key of %v is outside its hour %x-%x", p, lower, upper)
		}
	}
	if bytes.Compare(places[0].appendFragmentKey(nil), places[1].appendFragmentKey(nil)) >= 0 {
		t.Error("the later fragment does not sort first")
	}
}

// TestComparer holds the order and the prefixes against what the library asks of them (base.Split), over all kinds of
// rows and of bounds.
func TestComparer(t *testing.T) {
	var keys [][]byte
	for i := range uint32(5) {
		for id := range byte(3) {
			p := place{trace: traceql.ID{id, 15: 9 - id}, when: uint64(i*23) * nsPerHour, hash: uint64(id)}
			lower, upper := hourRange(p.hour())
			from, to := daysUntil(i)
			keys = append(keys, p.appendFragmentKey(nil), p.appendIndexKey(nil), appendIndexPrefix(nil, i, p.trace),
				bucketKey(i), []byte{rowVersion}, lower, upper, from, to)
		}
	}
	c := newComparer()
	prefix := func(k []byte) []byte { return k[:c.Split(k)] }
	for _, a := range keys {
		if len(prefix(a)) < len(a) && c.Compare(prefix(a), a) >= 0 {
			t.Errorf("%x does not sort after its prefix", a)
		}
		for _, b := range keys {
			whole, first := c.Compare(a, b), c.Compare(prefix(a), prefix(b))
			if whole <= 0 && first > 0 || first < 0 && whole >= 0 {
				t.Errorf("%x and %x sort %d, their prefixes %d", a, b, whole, first)
			}
			if first == 0 && whole != c.ComparePointSuffixes(a[len(prefix(a)):], b[len(prefix(b)):]) {
				t.Errorf("%x and %x do not sort as their suffixes", a, b)
			}
		}
	}
}

func TestEndTime(t *testing.T) {
	for ns, want := range map[uint64]int{0: 1970, 1 << 63: 2262, math.MaxUint64: 2554} {
		if got := endTime(ns); got.Year() != want || got.Nanosecond() != int(ns%1e9) {
			t.Errorf("%d is %v", ns, got)
		}
	}
}
