package traces

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// maxDecided bounds how many rejected traces a search remembers; forgetting one costs reading it again.
const maxDecided = 1 << 16

// A search looks for the traces that have spans which a query selects.
type search struct {
	query  *traceql.Query
	window window
	limit  int // traces
	spss   int // spans of each, the first by start
}

// inspected says what a search cost.
type inspected struct {
	traces, spans int
	bytes         int64
}

// A searcher is a search under way.
type searcher struct {
	*search
	store   *Store
	index   *index
	view    *view
	decided map[traceID]struct{}
	found   []foundTrace
	cost    inspected
	// roots: only fragments with a root span can lead to a match.
	roots bool
}

// search returns the matching traces whose fragments ended last, and no more than the limit.
//
// It reads fragments of the window and asks of each whether the query could select a span of its trace, with what
// the fragment shows. Only if so, the whole trace is read and asked again.
func (s *Store) search(ctx context.Context, q search) ([]foundTrace, inspected, error) {
	index, err := s.openIndex(ctx)
	if err != nil {
		return nil, inspected{}, err
	}
	r := &searcher{
		search: &q, store: s, index: index, view: newView(q.query),
		decided: map[traceID]struct{}{}, roots: q.query.NeedsRoot(),
	}
	err = s.scan(ctx, q.window, func(f fragment) (bool, error) {
		r.cost.bytes += int64(len(f.spans))
		if !r.candidate(f) {
			return true, nil
		}
		if err := r.decide(ctx, f.trace); err != nil {
			return false, err
		}
		return len(r.found) < q.limit, nil
	})
	slices.SortFunc(r.found, func(a, b foundTrace) int {
		return cmp.Or(cmp.Compare(b.from, a.from), strings.Compare(a.TraceID, b.TraceID))
	})
	return r.found, r.cost, errors.Join(err, index.close())
}

// candidate reports whether the trace of a fragment may match.
func (r *searcher) candidate(f fragment) bool {
	if _, done := r.decided[f.trace]; done {
		return false
	}
	if r.query.MatchesAll() && f.when <= r.window.to {
		return true
	}
	maybe, inWindow := false, f.when <= r.window.to
	v := r.view
	for rc := f.spans.Resources(); rc.Next(); {
		v.setResource(rc.Resource())
		if !r.roots && inWindow {
			v.known = knowsResource
			if r.query.Match(v) == traceql.No {
				continue // most queries name a service, and most spans are of another
			}
		}
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				r.cost.spans++
				v.span = wire.ParseSpan(ic.Bytes())
				inWindow = inWindow || spanStart(v.span) <= r.window.to
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

// mayMatch asks about the view's span. Where only roots count, what is asked is whether the trace of this root can
// have a match, in this fragment or another.
func (r *searcher) mayMatch() bool {
	r.view.known = knowsResource | knowsSpan
	if r.roots {
		if !isRoot(r.view.span) {
			return false
		}
		r.view.known, r.view.root = knowsRoot, rootOf(r.view.span, r.view.resource)
	}
	return r.query.Match(r.view) != traceql.No
}

// decide reads the whole trace and keeps it if it matches.
func (r *searcher) decide(ctx context.Context, id traceID) error {
	if len(r.decided) >= maxDecided {
		clear(r.decided)
		for _, m := range r.found {
			r.decided[m.id] = struct{}{}
		}
	}
	r.decided[id] = struct{}{}
	r.cost.traces++
	places, err := r.index.places(id)
	if err != nil || !r.durationMayMatch(places) {
		return err
	}
	t, err := r.store.traceAt(ctx, id, places)
	if err != nil {
		return err
	}
	if m, ok := r.match(t); ok {
		r.found = append(r.found, m)
	}
	return nil
}

// durationMayMatch asks the query with nothing known but how long the trace is, which the index tells.
func (r *searcher) durationMayMatch(places []place) bool {
	if len(places) == 0 {
		return false
	}
	from, when := places[0].from, places[0].when
	for _, p := range places[1:] {
		from, when = min(from, p.from), max(when, p.when)
	}
	r.view.known, r.view.duration = knowsDuration, when-from
	return r.query.Match(r.view) != traceql.No
}

// match asks the query about each span of a whole trace. What it returns aliases nothing of the trace, so that a
// search holds one trace at a time.
func (r *searcher) match(t trace) (foundTrace, bool) {
	v := r.view
	v.known, v.root, v.duration = knowsResource|knowsSpan|knowsRoot|knowsDuration, findRoot(t.spans), t.when-t.from
	var spans []matchedSpan
	services := map[string]*serviceStats{}
	for rc := t.spans.Resources(); rc.Next(); {
		v.setResource(rc.Resource())
		stats := statsOf(services, v.resource)
		for sc := rc.Scopes(); sc.Next(); {
			for ic := sc.Items(); ic.Next(); {
				r.cost.spans++
				matched := v.match(ic.Bytes()) == traceql.Yes
				stats.SpanCount++
				if v.span.StatusCode == statusError {
					stats.ErrorCount++
				}
				if matched {
					spans = append(spans, matchedSpan{spanStart(v.span), ic.Bytes(), v.resource})
				}
			}
		}
	}
	if len(spans) == 0 {
		return foundTrace{}, false
	}
	slices.SortStableFunc(spans, func(a, b matchedSpan) int { return cmp.Compare(a.start, b.start) })
	f := newFoundTrace(t, v.root, services)
	f.addSpans(r.query, spans, r.spss)
	return f, true
}

// A matchedSpan is a span that the query selects; it aliases the trace.
type matchedSpan struct {
	start          uint64
	body, resource []byte
}

// statusError is OTLP's number of the status.
const statusError = 2
