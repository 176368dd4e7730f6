package traces

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// maxDecided limits the remembered traces; a forgotten one is read again.
const maxDecided = 1 << 16

type searcher struct {
	traceql.Search
	hand    func(traceql.Match)
	store   *Store
	index   *index
	view    *view
	decided map[traceql.ID]struct{}
	found   []traceql.ID
	cost    traceql.Cost
	// roots: only fragments with a root span can lead to a match.
	roots bool
}

// Search calls f for the matching traces with the latest fragments, up to the limit.
//
// It first asks whether a fragment alone could match, and only then reads the whole trace.
func (s *Store) Search(ctx context.Context, q traceql.Search, f func(traceql.Match)) (traceql.Cost, error) {
	index, err := s.openIndex(ctx)
	if err != nil {
		return traceql.Cost{}, err
	}
	r := &searcher{
		Search: q, hand: f, store: s, index: index, view: newView(q.Query),
		decided: map[traceql.ID]struct{}{}, roots: q.Query.NeedsRoot(),
	}
	err = s.scan(ctx, q.Window, func(f fragment) (bool, error) {
		r.cost.Bytes += int64(len(f.spans))
		if !r.candidate(f) {
			return true, nil
		}
		if err := r.decide(ctx, f.trace); err != nil {
			return false, err
		}
		return len(r.found) < q.Limit, nil
	})
	return r.cost, errors.Join(err, index.close())
}

// candidate reports whether the fragment's trace may match.
func (r *searcher) candidate(f fragment) bool {
	if _, done := r.decided[f.trace]; done {
		return false
	}
	if r.Query.MatchesAll() && f.when <= r.Window.To {
		return true
	}
	maybe, inWindow := false, f.when <= r.Window.To
	v := r.view
	for rc := f.spans.Resources(); rc.Next(); {
		v.setResource(rc.Resource())
		if !r.roots && inWindow {
			v.known = knowsResource
			if r.Query.Match(v) == traceql.No {
				continue // most queries name a service, and most spans belong to another
			}
		}
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				r.cost.Spans++
				v.span = wire.ParseSpan(ic.Bytes())
				inWindow = inWindow || spanStart(v.span) <= r.Window.To
				if !maybe {
					maybe = r.mayMatch()
				}
				if maybe && inWindow {
					return true
				}
			}
		}
	}
	return false
}

// mayMatch asks about the current span. With roots, it asks whether the root's trace can match at all.
func (r *searcher) mayMatch() bool {
	r.view.known = knowsResource | knowsSpan
	if r.roots {
		if !isRoot(r.view.span) {
			return false
		}
		r.view.known, r.view.root = knowsRoot, rootOf(r.view.span, r.view.resource)
	}
	return r.Query.Match(r.view) != traceql.No
}

// decide reads the trace and keeps it if it matches.
func (r *searcher) decide(ctx context.Context, id traceql.ID) error {
	if len(r.decided) >= maxDecided {
		clear(r.decided)
		for _, id := range r.found {
			r.decided[id] = struct{}{}
		}
	}
	r.decided[id] = struct{}{}
	r.cost.Traces++
	places, err := r.index.places(id)
	if err != nil || !r.durationMayMatch(places) {
		return err
	}
	t, err := r.store.traceAt(ctx, id, places)
	if err != nil {
		return err
	}
	if t.partial {
		r.cost.Partial = fmt.Sprintf("of a trace larger than %d bytes not more was looked at", r.store.options.MaxTraceBytes)
	}
	if m, ok := r.match(t); ok {
		r.found = append(r.found, id)
		r.hand(m)
	}
	return nil
}

// durationMayMatch asks with only the trace's duration known, from the index.
func (r *searcher) durationMayMatch(places []place) bool {
	if len(places) == 0 {
		return false
	}
	from, when := places[0].from, places[0].when
	for _, p := range places[1:] {
		from, when = min(from, p.from), max(when, p.when)
	}
	r.view.known, r.view.duration = knowsDuration, when-from
	return r.Query.Match(r.view) != traceql.No
}

// match asks about each span of a whole trace.
func (r *searcher) match(t trace) (traceql.Match, bool) {
	v := r.view
	v.known, v.root, v.duration = knowsResource|knowsSpan|knowsRoot|knowsDuration, findRoot(t.spans), t.when-t.from
	m := traceql.Match{ID: t.id, From: t.from, To: t.when, Root: v.root, Services: map[string]*traceql.ServiceStats{}}
	for rc := t.spans.Resources(); rc.Next(); {
		v.setResource(rc.Resource())
		stats := statsOf(m.Services, v.resource)
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				r.cost.Spans++
				matched := v.match(ic.Bytes()) == traceql.Yes
				stats.Spans++
				if v.span.StatusCode == statusError {
					stats.Errors++
				}
				if matched {
					m.Spans = append(m.Spans, traceql.SpanMatch{
						Span: ic.Bytes(), Resource: v.resource, Start: spanStart(v.span), Duration: spanDuration(v.span),
					})
				}
			}
		}
	}
	slices.SortStableFunc(m.Spans, func(a, b traceql.SpanMatch) int { return cmp.Compare(a.Start, b.Start) })
	return m, len(m.Spans) > 0
}

// statsOf returns the counts of the resource's service.
func statsOf(services map[string]*traceql.ServiceStats, resource []byte) *traceql.ServiceStats {
	value, _ := wire.ResourceAttributes(resource).Find("service.name")
	name := string(value.AppendText(nil))
	if services[name] == nil {
		services[name] = &traceql.ServiceStats{}
	}
	return services[name]
}

// statusError is STATUS_CODE_ERROR.
const statusError = 2
