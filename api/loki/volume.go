package loki

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// volume answers with the bytes of each group of streams, the largest first.
func (a *api) volume(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	steps := logql.Steps{Start: end.UnixNano(), Count: 1}
	series, err := a.volumes(ctx, r, logql.SizeQuery{From: start.UnixNano(), To: end.UnixNano()}, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).vector(logql.Result{Series: series, Ranked: true}, steps.Start), nil
}

// volumeRange answers with the bytes of each part of the range.
func (a *api) volumeRange(ctx context.Context, r request) ([]byte, error) {
	start, end, err := r.between(defaultRange)
	if err != nil {
		return nil, err
	}
	steps, err := r.steps(start, end)
	if err != nil {
		return nil, err
	}
	q := logql.SizeQuery{From: steps.Start, To: end.UnixNano(), Step: steps.Step}
	series, err := a.volumes(ctx, r, q, steps)
	if err != nil {
		return nil, err
	}
	return newAnswer(r).matrix(logql.Result{Series: series}, steps), nil
}

// volumes groups streams as Loki does: by the labels in targetLabels, else by those that the selector names, else by
// all; or with aggregateBy=labels by the name of each label alone.
func (a *api) volumes(ctx context.Context, r request, q logql.SizeQuery, steps logql.Steps) ([]logql.Series, error) {
	sel, err := logql.ParseSelector(r.form.Get("query"))
	if err != nil {
		return nil, err
	}
	limit, err := r.limit()
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
	q.Selector = sel
	groups := map[string]*logql.Series{}
	add := func(labels []logql.Label, z logql.StreamSize) {
		key := string(logql.AppendKey(nil, labels))
		g := groups[key]
		if g == nil {
			g = &logql.Series{Labels: labels, Values: make([]float64, steps.Count)}
			groups[key] = g
		}
		g.Values[min(z.Part, steps.Count-1)] += float64(z.Bytes)
	}
	err = a.reader.Sizes(ctx, q, func(z logql.StreamSize) {
		labels := fold.Labels(nil, z.Labels)
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
