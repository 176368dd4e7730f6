package loki

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/store/logs/logql"
)

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
func (a *api) labels(ctx context.Context, r request) ([]byte, error) {
	return a.labelList(ctx, r, func(l logql.Label) string { return l.Name })
}

// labelValues answers with the values of one.
func (a *api) labelValues(ctx context.Context, r request) ([]byte, error) {
	name := r.http.PathValue("name")
	return a.labelList(ctx, r, func(l logql.Label) string {
		if l.Name != name {
			return ""
		}
		return l.Value
	})
}

func (a *api) labelList(ctx context.Context, r request, take func(logql.Label) string) ([]byte, error) {
	start, end, err := r.between(defaultIndexRange)
	if err != nil {
		return nil, err
	}
	sel, err := r.selectors("query")
	if err != nil {
		return nil, err
	}
	streams, err := a.reader.Streams(ctx, sel, start.UnixNano(), end.UnixNano())
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
func (a *api) series(ctx context.Context, r request) ([]byte, error) {
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
	streams, err := a.reader.Streams(ctx, sel, start.UnixNano(), end.UnixNano())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(streams, compareLabels)
	out := newAnswer(r).raw(`{"status":"success","data":[`)
	for i, labels := range streams {
		out.comma(i).labels(labels)
	}
	return out.raw("]}").b, nil
}

func compareLabels(a, b []logql.Label) int {
	return slices.CompareFunc(a, b, func(x, y logql.Label) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.Value, y.Value))
	})
}

// indexStats answers with how much a selector selects. A stream counts as one chunk: the store has none of Loki's.
func (a *api) indexStats(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	sel, err := logql.ParseSelector(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	var streams, rows, size uint64
	err = a.reader.Sizes(ctx, logql.SizeQuery{Selector: sel, From: start.UnixNano(), To: end.UnixNano()}, func(z logql.StreamSize) {
		streams, rows, size = streams+1, rows+z.Rows, size+z.Bytes
	})
	if err != nil {
		return nil, err
	}
	out := newAnswer(r)
	for i, f := range []struct {
		name string
		n    uint64
	}{{"streams", streams}, {"chunks", streams}, {"entries", rows}, {"bytes", size}} {
		out.raw([]string{"{", ","}[min(i, 1)]).str(f.name).raw(":").raw(strconv.FormatUint(f.n, 10))
	}
	return out.raw("}").b, nil
}

// buildInfo answers with a version from which on Grafana uses what we do: Loki's API of 3.x, with our build.
func (a *api) buildInfo(_ context.Context, r request) ([]byte, error) {
	out := newAnswer(r).raw(`{"version":"3.0.0","revision":`).str("sluice " + a.version)
	return out.raw(`,"branch":"","buildUser":"","buildDate":"","goVersion":`).str(runtime.Version()).raw("}").b, nil
}
