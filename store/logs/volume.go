package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// A sizeQuery asks how much each stream has, in the whole range or, with a step, in each part of it.
type sizeQuery struct {
	sel      logql.Selector
	from, to int64
	step     int64
}

// A streamSize is what one stream has.
type streamSize struct {
	labels      []logql.Label
	rows, bytes uint64
	step        int // which part of the range
}

// sizes calls f for each stream and part. Bytes are those of lines.
func (s *Store) sizes(ctx context.Context, q sizeQuery, f func(streamSize)) error {
	p := newPlan(&logql.LogExpr{Selector: q.sel}, true)
	by := fieldStream
	if q.step > 0 {
		by += ", " + timeParts(q.from, q.step)
	}
	lq := libraryQuery{
		text: p.filter + " | stats by (" + by + ") count() rows, sum_len(" + fieldLine + ") bytes",
		from: q.from, to: q.to,
	}
	n := 0
	return s.each(ctx, lq, func(row map[string]string) error {
		if n++; n > maxStreams {
			return badRequest("more than %d streams; select fewer, or a shorter range", maxStreams)
		}
		z := streamSize{labels: parseStream(row[fieldStream])}
		if !p.selects(z.labels) {
			return nil
		}
		z.rows, _ = strconv.ParseUint(row["rows"], 10, 64) // what the library counted is a number
		z.bytes, _ = strconv.ParseUint(row["bytes"], 10, 64)
		if q.step > 0 {
			at, err := time.Parse(time.RFC3339Nano, row[fieldTime])
			if err != nil {
				return fmt.Errorf("cannot read the time of a part: %w", err)
			}
			z.step = int((at.UnixNano() - q.from) / q.step)
		}
		f(z)
		return nil
	})
}

// volume answers with the bytes of each group of streams, the largest first.
func (s *Store) volume(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	steps := logql.Steps{Start: end.UnixNano(), Count: 1}
	series, err := s.volumes(ctx, r, sizeQuery{from: start.UnixNano(), to: end.UnixNano()}, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).vector(logql.Result{Series: series, Ranked: true}, steps.Start), nil
}

// volumeRange answers with the bytes of each part of the range.
func (s *Store) volumeRange(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	steps, err := r.steps(start, end)
	if err != nil {
		return nil, err
	}
	if steps.Step > maxPart {
		return nil, badRequest("step must not be longer than %v", time.Duration(maxPart))
	}
	q := sizeQuery{from: steps.Start, to: end.UnixNano(), step: steps.Step}
	series, err := s.volumes(ctx, r, q, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).matrix(logql.Result{Series: series}, steps), nil
}

// volumes groups streams as Loki does: by the labels in targetLabels, else by those that the selector names, else by
// all; or with aggregateBy=labels by the name of each label alone.
func (s *Store) volumes(ctx context.Context, r request, q sizeQuery, steps logql.Steps) ([]logql.Series, error) {
	sel, err := logql.ParseSelector(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	limit, err := r.limit(s.options.MaxLines)
	if err != nil {
		return nil, err
	}
	apart := false
	switch by := r.form.Get("aggregateBy"); by {
	case "", "series":
	case "labels":
		apart = true
	default:
		return nil, badRequest("invalid aggregateBy %q; want series or labels", by)
	}
	fold := logql.Fold{Without: true}
	if t := r.form.Get("targetLabels"); t != "" {
		fold = logql.Fold{By: strings.Split(t, ",")}
		if sel, err = withTargets(sel, fold.By); err != nil {
			return nil, err
		}
	} else if len(sel) > 0 {
		fold = logql.Fold{}
		for _, m := range sel {
			fold.By = append(fold.By, m.Name)
		}
	}
	q.sel = sel
	groups := map[string]*logql.Series{}
	add := func(labels []logql.Label, z streamSize) {
		key := string(logql.AppendKey(nil, labels))
		g := groups[key]
		if g == nil {
			g = &logql.Series{Labels: labels, Values: make([]float64, steps.Count)}
			groups[key] = g
		}
		g.Values[min(z.step, steps.Count-1)] += float64(z.bytes)
	}
	err = s.sizes(ctx, q, func(z streamSize) {
		labels := fold.Labels(nil, z.labels)
		if !apart {
			add(labels, z)
			return
		}
		for _, l := range labels {
			add([]logql.Label{{Name: l.Name}}, z)
		}
	})
	return largest(groups, limit), err
}

// withTargets selects, as Loki does, only streams that have each of the labels that the selector does not name.
func withTargets(sel logql.Selector, targets []string) (logql.Selector, error) {
	for _, name := range targets {
		if slices.ContainsFunc(sel, func(m *logql.Matcher) bool { return m.Name == name }) {
			continue
		}
		has, err := logql.ParseSelector("{" + name + `=~".+"}`)
		if err != nil || len(has) != 1 || has[0].Name != name {
			return nil, badRequest("targetLabels: %q is not the name of a label; write names with commas between them", name)
		}
		sel = append(sel, has...)
	}
	return sel, nil
}

// largest sorts groups by their sum and keeps the first ones. Parts without bytes have no value.
func largest(groups map[string]*logql.Series, limit int) []logql.Series {
	type total struct {
		series logql.Series
		sum    float64
	}
	var all []total
	for _, g := range groups {
		t := total{series: *g}
		for i, v := range g.Values {
			t.sum += v
			if v == 0 {
				g.Values[i] = logql.Absent()
			}
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b total) int {
		return cmp.Or(-cmp.Compare(a.sum, b.sum), compareLabels(a.series.Labels, b.series.Labels))
	})
	out := make([]logql.Series, 0, len(all))
	for _, t := range all[:min(limit, len(all))] {
		out = append(out, t.series)
	}
	return out
}
