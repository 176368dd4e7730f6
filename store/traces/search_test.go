package traces

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/store/traces/tracestest"
	"github.com/sluiceio/sluice/wire"
)

// searchFor is a search of everything without limits.
func searchFor(t testing.TB, q string) traceql.Search {
	t.Helper()
	query, err := traceql.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	return traceql.Search{Query: query, Window: traceql.Window{To: ^uint64(0)}, Limit: 1 << 30}
}

// found is a match without the bytes that it aliases.
type found struct {
	id, root string
	from     uint64
	took     time.Duration
	matched  int
}

// found collects what a search finds, the latest start first.
func (s *Store) found(ctx context.Context, q traceql.Search) ([]found, traceql.Cost, error) {
	var all []found
	cost, err := s.Search(ctx, q, func(m traceql.Match) {
		all = append(all, found{
			hex.EncodeToString(m.ID[:]), string(m.Root.Name), m.From, time.Duration(m.To - m.From), len(m.Spans),
		})
	})
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(b.from, a.from), strings.Compare(a.id, b.id))
	})
	return all, cost, err
}

// TestSearchAgainstReference stores random traces in random pieces and asks random queries. The reference keeps all
// spans of a trace together and asks each of them, knowing the whole trace.
func TestSearchAgainstReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	st, _, _ := open(t, t.TempDir(), Options{})
	whole := map[string]wire.Request{} // by trace id
	batches := make([]string, 40)
	for n := range 150 {
		lines := map[string][]string{}
		start := time.Duration(rnd.IntN(6*3600)) * time.Second
		for s := range 1 + rnd.IntN(6) {
			parent := "1"
			if s == 0 && rnd.IntN(5) > 0 { // one trace in five has no root
				parent = "-"
			}
			at := start - time.Duration(rnd.IntN(300))*time.Second
			service := fmt.Sprintf("resource service.name=svc%d\n", rnd.IntN(3))
			line := fmt.Sprintf("span %x/%x %s op%d %s -%s %dms %s http.status_code=%d\n", n+1, s+1, parent, rnd.IntN(3),
				[]string{"server", "client"}[rnd.IntN(2)], at, rnd.IntN(4000), []string{"", "ok", "error:x"}[rnd.IntN(3)],
				200+100*rnd.IntN(4))
			b := &batches[rnd.IntN(len(batches))]
			*b += service + line
			lines[service] = append(lines[service], line)
		}
		var text strings.Builder
		for service, of := range lines {
			text.WriteString(service + strings.Join(of, ""))
		}
		whole[fmt.Sprintf("%032x", n+1)] = tracestest.BatchOf(t, tracestest.SpanText(t, text.String())).Request
	}
	for _, b := range batches {
		st.mustAppend(t, b)
	}
	conditions := []string{
		`resource.service.name = "svc1"`, `.service.name != "svc0"`, `name = "op2"`, `name =~ "op[01]"`, `status = error`,
		`kind = server`, `duration > 2s`, `span.http.status_code >= 400`, `rootName = "op1"`, `rootServiceName = "svc2"`,
		`traceDuration > 200s`, `traceDuration < 1s`, `rootName = nil`, `true`, `false`, `.absent = nil`,
	}
	nonEmpty := 0
	for range 300 {
		q := "{ " + conditions[rnd.IntN(len(conditions))]
		for range rnd.IntN(3) {
			q += []string{" && ", " || "}[rnd.IntN(2)] + conditions[rnd.IntN(len(conditions))]
		}
		q += " }"
		found, _, err := st.found(t.Context(), searchFor(t, q))
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, f := range found {
			got = append(got, fmt.Sprint(f.id, " ", f.matched))
		}
		for id, spans := range whole {
			if n := reference(t, q, spans); n > 0 {
				want = append(want, fmt.Sprint(id, " ", n))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%s\n got %v\nwant %v", q, got, want)
		}
		if len(want) > 0 {
			nonEmpty++
		}
	}
	if nonEmpty < 150 {
		t.Errorf("only %d of 300 queries found anything", nonEmpty)
	}
}

// reference counts the spans of a whole trace that a query selects.
func reference(t *testing.T, q string, spans wire.Request) (n int) {
	t.Helper()
	query, err := traceql.Parse(q)
	if err != nil {
		t.Fatal(err)
	}
	v := newView(query)
	v.known = knowsResource | knowsSpan | knowsRoot | knowsDuration
	v.root = findRoot(spans)
	from, to := ^uint64(0), uint64(0)
	eachSpan(spans, func(_, body []byte) bool {
		s := wire.ParseSpan(body)
		from, to = min(from, s.Start), max(to, s.End)
		return true
	})
	v.duration = to - from
	eachSpan(spans, func(resource, body []byte) bool {
		v.setResource(resource)
		if v.match(body) == traceql.Yes {
			n++
		}
		return true
	})
	return n
}

// TestSearchWindow has a trace before, in, across and after the time that is asked for.
func TestSearchWindow(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	st.mustAppend(t, "span 1/1 - before server -4h 1s")
	st.mustAppend(t, "span 2/1 - within server -2h 1s")
	// Until half an hour ago, with a short one of the same hour in the batch, before and after it.
	st.mustAppend(t, "span 31/1 - short server -35m 1s\nspan 3/1 - long server -5h 270m\nspan 2f/1 - short server -35m 1s")
	st.mustAppend(t, "span 4/1 - after server -10m 1s")
	st.mustAppend(t, "span 5/1 - begins server -3h20m 30m")
	for _, q := range []string{`{}`, `{ name != "x" }`, `{ rootName != "x" }`} {
		s := searchFor(t, q)
		s.Window = traceql.Window{From: uint64(tracestest.Epoch.Add(-3 * time.Hour).UnixNano()), To: uint64(tracestest.Epoch.Add(-time.Hour).UnixNano())}
		found, _, err := st.found(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range found {
			names = append(names, f.root)
		}
		if want := []string{"within", "begins", "long"}; !slices.Equal(names, want) {
			t.Errorf("%s: found %v, want %v, the latest start first", q, names, want)
		}
	}
}

// TestSearchForgetsDroppedHours drops the hour of a trace's first span. The index of its day still points there.
func TestSearchForgetsDroppedHours(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	st.mustAppend(t, "span 1/1 - first server -5h 1s")
	st.mustAppend(t, "span 1/2 1 second server -2h 1s")
	if _, err := st.DropOldest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := rows(t, st, rowIndex); n != 2 {
		t.Fatalf("%d index rows, want those of the whole day", n)
	}
	found, _, err := st.found(t.Context(), searchFor(t, `{ traceDuration < 1m }`))
	if err != nil || len(found) != 1 || found[0].took != time.Second {
		t.Errorf("found %+v, %v", found, err)
	}
}

// TestSearchStopsAtTheLimit finds the latest and reads no further.
func TestSearchStopsAtTheLimit(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	for i := range 50 {
		st.mustAppend(t, fmt.Sprintf("span %x/1 - op%d server -%dm 1s", i+1, i, 60-i))
	}
	s := searchFor(t, `{ kind = server }`)
	s.Limit = 3
	found, cost, err := st.found(t.Context(), s)
	if err != nil || len(found) != 3 || found[0].root != "op49" || found[2].root != "op47" {
		t.Errorf("found %+v, %v", found, err)
	}
	if cost.Traces != 3 {
		t.Errorf("%d traces were read", cost.Traces)
	}
}
