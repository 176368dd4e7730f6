package loki

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store/logs/logql"
)

// volume returns the bytes of groups of streams, largest first.
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

// volumeRange returns the bytes for each step.
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

// Memory limits of an answer's groups; groupBytes is a group without its values and labels.
const (
	maxVolumeBytes = 128 << 20
	groupBytes     = 48
)

// volumes groups streams as Loki does: by targetLabels, else the selector's labels, else all; with aggregateBy=labels
// by label name.
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
	q.Selector, q.Labels = sel, fold.By // none: all
	groups := volumeGroups{at: map[string]int{}, steps: steps.Count, room: maxVolumeBytes}
	var labels []logql.Label
	err = a.reader.Sizes(ctx, q, func(z logql.StreamSize) error {
		labels = fold.Labels(labels[:0], z.Labels)
		if !apart {
			return groups.add(labels, z)
		}
		for _, l := range labels {
			if err := groups.add([]logql.Label{{Name: l.Name}}, z); err != nil {
				return err
			}
		}
		return nil
	})
	return groups.largest(limit), err
}

// withTargets also requires the target labels, as Loki does.
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

// volumeGroups are sums of bytes by group and step, in one slice because there may be as many groups as streams.
type volumeGroups struct {
	at    map[string]int // by key of the labels, where in sums the first part is
	sums  []float64
	steps int
	room  int // bytes
	key   []byte
}

func (g *volumeGroups) add(labels []logql.Label, z logql.StreamSize) error {
	g.key = logql.AppendKey(g.key[:0], labels)
	at, known := g.at[string(g.key)]
	if !known {
		if g.room -= len(g.key) + groupBytes + 8*g.steps; g.room < 0 {
			return badRequest("the groups need more than %d bytes; name fewer in targetLabels, or ask for a longer step or fewer streams", maxVolumeBytes)
		}
		at = len(g.sums)
		g.at[string(g.key)] = at
		g.sums = append(g.sums, make([]float64, g.steps)...)
	}
	g.sums[at+min(z.Part, g.steps-1)] += float64(z.Bytes)
	return nil
}

// largest returns the largest groups. Steps without bytes are absent.
func (g *volumeGroups) largest(limit int) []logql.Series {
	type total struct {
		key string
		at  int
		sum float64
	}
	all := make([]total, 0, len(g.at))
	for key, at := range g.at {
		t := total{key: key, at: at}
		for _, v := range g.sums[at : at+g.steps] {
			t.sum += v
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b total) int { return cmp.Or(-cmp.Compare(a.sum, b.sum), cmp.Compare(a.key, b.key)) })
	out := make([]logql.Series, 0, min(limit, len(all)))
	for _, t := range all[:min(limit, len(all))] {
		values := g.sums[t.at : t.at+g.steps]
		for i, v := range values {
			if v == 0 {
				values[i] = logql.Absent()
			}
		}
		out = append(out, logql.Series{Labels: logql.ParseKey(t.key), Values: values})
	}
	return out
}
