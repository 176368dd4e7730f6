package logs

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// maxStreams bounds what a question about streams holds in memory.
const maxStreams = 100_000

// selected returns the labels of the streams that any of the selectors selects and that have rows in the range.
func (s *Store) selected(ctx context.Context, selectors []logql.Selector, start, end time.Time) ([][]logql.Label, error) {
	if len(selectors) == 0 {
		selectors = []logql.Selector{nil}
	}
	found := map[string][]logql.Label{}
	for _, sel := range selectors {
		p := newPlan(&logql.LogExpr{Selector: sel}, true)
		q := libraryQuery{text: p.filter + " | uniq by (_stream)", from: start.UnixNano(), to: end.UnixNano()}
		err := s.each(ctx, q, func(row map[string]string) error {
			labels := parseStream(row[fieldStream])
			if p.selects(labels) {
				found[row[fieldStream]] = labels
			}
			if len(found) > maxStreams {
				return badRequest("more than %d streams; select fewer, or a shorter range", maxStreams)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Collect(maps.Values(found)), nil
}

// selects runs what the library did not decide over the labels of a stream.
func (p plan) selects(labels []logql.Label) bool {
	var row logql.Row
	row.Reset("", labels)
	return p.rest.Process(&row)
}

// selectors reads all values of a parameter as selectors.
func (r request) selectors(name string) ([]logql.Selector, error) {
	var out []logql.Selector
	for _, text := range r.form[name] {
		if text == "" {
			continue
		}
		sel, err := logql.ParseSelector(text)
		if err != nil {
			return nil, err
		}
		out = append(out, sel)
	}
	return out, nil
}

// labels answers with the names of stream labels.
func (s *Store) labels(ctx context.Context, r request) ([]byte, error) {
	return s.labelList(ctx, r, func(l logql.Label) string { return l.Name })
}

// labelValues answers with the values of one.
func (s *Store) labelValues(ctx context.Context, r request) ([]byte, error) {
	name := r.http.PathValue("name")
	return s.labelList(ctx, r, func(l logql.Label) string {
		if l.Name != name {
			return ""
		}
		return l.Value
	})
}

func (s *Store) labelList(ctx context.Context, r request, take func(logql.Label) string) ([]byte, error) {
	start, end, err := r.between(defaultIndexRange)
	if err != nil {
		return nil, err
	}
	sel, err := r.selectors("query")
	if err != nil {
		return nil, err
	}
	streams, err := s.selected(ctx, sel, start, end)
	if err != nil {
		return nil, err
	}
	set := map[string]bool{}
	for _, labels := range streams {
		for _, l := range labels {
			if v := take(l); v != "" {
				set[v] = true
			}
		}
	}
	return newAnswer(r).names(slices.Sorted(maps.Keys(set))), nil
}

// series answers with the label sets of streams.
func (s *Store) series(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultIndexRange)
	if err != nil {
		return nil, err
	}
	sel, err := r.selectors("match[]")
	if err == nil && len(sel) == 0 {
		sel, err = r.selectors("match")
	}
	if err != nil {
		return nil, err
	}
	streams, err := s.selected(ctx, sel, start, end)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(streams, compareLabels)
	a := newAnswer(r).raw(`{"status":"success","data":[`)
	for i, labels := range streams {
		a.comma(i).labels(labels)
	}
	return a.raw("]}").b, nil
}

func compareLabels(a, b []logql.Label) int {
	return slices.CompareFunc(a, b, func(x, y logql.Label) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Value, y.Value))
	})
}

// indexStats answers with how much a selector selects. A stream counts as one chunk: the store has none of Loki's.
func (s *Store) indexStats(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	sel, err := logql.ParseSelector(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	var streams, rows, size uint64
	err = s.sizes(ctx, sizeQuery{sel: sel, from: start.UnixNano(), to: end.UnixNano()}, func(z streamSize) {
		streams, rows, size = streams+1, rows+z.rows, size+z.bytes
	})
	if err != nil {
		return nil, err
	}
	a := newAnswer(r)
	for i, f := range []struct {
		name string
		n    uint64
	}{{"streams", streams}, {"chunks", streams}, {"entries", rows}, {"bytes", size}} {
		a.raw([]string{"{", ","}[min(i, 1)]).str(f.name).raw(":").raw(strconv.FormatUint(f.n, 10))
	}
	return a.raw("}").b, nil
}

// buildInfo answers with a version from which on Grafana uses what we do: Loki's API of 3.x, with our build.
func (s *Store) buildInfo(_ context.Context, r request) ([]byte, error) {
	a := newAnswer(r).raw(`{"version":"3.0.0","revision":`).str("sluice " + s.settings.Version)
	return a.raw(`,"branch":"","buildUser":"","buildDate":"","goVersion":`).str(runtime.Version()).raw("}").b, nil
}
