package loki

import (
	"cmp"
	"context"
	"hash/maphash"
	"runtime"
	"slices"
	"strconv"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// selectors parses all values of a parameter as selectors.
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

// streams parses a stream query with selectors in parameter name.
func (r request) streams(name string) (logql.StreamQuery, error) {
	start, end, err := r.between(defaultIndexRange)
	if err != nil {
		return logql.StreamQuery{}, err
	}
	sel, err := r.selectors(name)
	return logql.StreamQuery{Selectors: sel, From: start.UnixNano(), To: end.UnixNano()}, err
}

func (a *api) labels(ctx context.Context, r request) ([]byte, error) {
	q, err := r.streams("query")
	if err != nil {
		return nil, err
	}
	names, err := a.reader.LabelNames(ctx, q)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).names(names), nil
}

func (a *api) labelValues(ctx context.Context, r request) ([]byte, error) {
	q, err := r.streams("query")
	if err != nil {
		return nil, err
	}
	values, err := a.reader.LabelValues(ctx, q, r.http.PathValue("name"))
	if err != nil {
		return nil, err
	}
	return newAnswer(r).names(values), nil
}

func (a *api) series(ctx context.Context, r request) ([]byte, error) {
	q, err := r.streams("match[]")
	if err == nil && len(q.Selectors) == 0 {
		q, err = r.streams("match")
	}
	if err != nil {
		return nil, err
	}
	streams, err := a.reader.Streams(ctx, q)
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

// maxStreams limits the counted streams; their hashes take 100 MiB.
const maxStreams = 4_000_000

// indexStats counts a stream as one chunk, because the store has none of Loki's.
func (a *api) indexStats(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	sel, err := logql.ParseSelector(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	var rows, size uint64
	seed, seen := maphash.MakeSeed(), map[uint64]struct{}{}
	err = a.reader.Sizes(ctx, logql.SizeQuery{Selector: sel, From: start.UnixNano(), To: end.UnixNano(), Labels: []string{}}, func(z logql.StreamSize) error {
		rows, size = rows+z.Rows, size+z.Bytes
		seen[maphash.String(seed, z.Stream)] = struct{}{}
		if len(seen) > maxStreams {
			return badRequest("more than %d streams; select fewer, or a shorter range", maxStreams)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	streams := uint64(len(seen))
	out := newAnswer(r)
	for i, f := range []struct {
		name string
		n    uint64
	}{{"streams", streams}, {"chunks", streams}, {"entries", rows}, {"bytes", size}} {
		out.raw([]string{"{", ","}[min(i, 1)]).str(f.name).raw(":").raw(strconv.FormatUint(f.n, 10))
	}
	return out.raw("}").b, nil
}

// buildInfo reports Loki 3.0.0, from which Grafana uses the supported API.
func (a *api) buildInfo(_ context.Context, r request) ([]byte, error) {
	out := newAnswer(r).raw(`{"version":"3.0.0","revision":`).str("sluice " + a.version)
	return out.raw(`,"branch":"","buildUser":"","buildDate":"","goVersion":`).str(runtime.Version()).raw("}").b, nil
}
