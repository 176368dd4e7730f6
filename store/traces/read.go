package traces

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// A fragment is the spans of one trace in one batch.
type fragment struct {
	place
	spans wire.Request // valid until the next fragment
}

// checkEvery is in fragments, between looks at the context.
const checkEvery = 64

// scan visits fragments that may hold spans in w, latest end first, until visit returns false. That includes some
// that began after w, because a long span may end after it.
func (s *Store) scan(ctx context.Context, w traceql.Window, visit func(fragment) (more bool, err error)) error {
	it, err := s.db.NewIterWithContext(ctx, s.fragmentBounds(w))
	if err != nil {
		return err
	}
	n, read := 0, 0
	defer func() { s.metrics.queryBytes.Add(float64(read)) }()
	more := true
	for ok := it.First(); ok && more && err == nil; ok = it.Next() {
		if n%checkEvery == 0 && ctx.Err() != nil {
			err = context.Cause(ctx)
			break
		}
		n++
		p, known := placeOfFragment(it.Key())
		if !known {
			err = fmt.Errorf("the row %x is damaged", it.Key())
			break
		}
		var value []byte
		if value, err = it.ValueAndErr(); err == nil {
			read += len(value)
			more, err = visit(fragment{p, value})
		}
	}
	return errors.Join(err, it.Close())
}

// fragmentBounds covers fragments that end in w or up to a stretch after it.
func (s *Store) fragmentBounds(w traceql.Window) *pebble.IterOptions {
	to := w.To
	for _, b := range *s.buckets.Load() {
		if beyond := w.To + uint64(b.stretch)*1e9; b.end() > w.To && beyond > w.To {
			to = max(to, beyond)
		}
	}
	lower, upper := fragmentRange(w.From, to)
	return &pebble.IterOptions{LowerBound: lower, UpperBound: upper}
}

// An index finds the fragments of traces in a snapshot of the store. Not safe for concurrent use.
type index struct {
	it      *pebble.Iterator
	buckets []bucket
}

func (s *Store) openIndex(ctx context.Context) (*index, error) {
	buckets := *s.buckets.Load() // before the snapshot: an hour deleted in between is only searched in vain
	bounds := &pebble.IterOptions{LowerBound: []byte{rowIndex}, UpperBound: []byte{rowIndex + 1}}
	it, err := s.db.NewIterWithContext(ctx, bounds)
	if err != nil {
		return nil, err
	}
	return &index{it, buckets}, nil
}

func (x *index) close() error { return x.it.Close() }

// places returns the fragments of a trace, latest end first. Some may be deleted.
func (x *index) places(id traceql.ID) ([]place, error) {
	var found []place
	var prefix [indexPrefixLen]byte
	for i := len(x.buckets) - 1; i >= 0; {
		day := x.buckets[i].hour / hoursPerDay
		for i >= 0 && x.buckets[i].hour/hoursPerDay == day {
			i--
		}
		for ok := x.it.SeekPrefixGE(appendIndexPrefix(prefix[:0], day, id)); ok; ok = x.it.Next() {
			p, known := placeOfIndex(x.it.Key(), x.it.Value())
			if !known {
				return nil, fmt.Errorf("the row %x is damaged", x.it.Key())
			}
			if hasHour(x.buckets, p.hour()) {
				found = append(found, p)
			}
		}
		if err := x.it.Error(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// hasHour reports whether an hour is stored; the index of a day outlives its first hours.
func hasHour(buckets []bucket, hour uint32) bool {
	_, found := slices.BinarySearchFunc(buckets, hour, byHour)
	return found
}

// A trace is all stored spans of a trace, without duplicates.
type trace struct {
	id      traceql.ID
	spans   wire.Request
	count   int
	from    uint64
	when    uint64
	partial bool // there is more than MaxTraceBytes of it
}

// Trace reads a trace; an unknown one has no spans.
func (s *Store) Trace(ctx context.Context, id traceql.ID) (traceql.Trace, error) {
	t, err := s.trace(ctx, id)
	return traceql.Trace{Spans: t.spans, Count: t.count, Partial: t.partial, Most: s.options.MaxTraceBytes}, err
}

func (s *Store) trace(ctx context.Context, id traceql.ID) (trace, error) {
	x, err := s.openIndex(ctx)
	if err != nil {
		return trace{}, err
	}
	places, err := x.places(id)
	if err = errors.Join(err, x.close()); err != nil {
		return trace{}, err
	}
	return s.traceAt(ctx, id, places)
}

// traceAt reads a trace by its places.
func (s *Store) traceAt(ctx context.Context, id traceql.ID, places []place) (trace, error) {
	t := trace{id: id}
	var key [fragmentKeyLen]byte
	for i := len(places) - 1; i >= 0; i-- {
		p := places[i]
		if ctx.Err() != nil {
			return t, context.Cause(ctx)
		}
		value, closer, err := s.db.Get(p.appendFragmentKey(key[:0]))
		if errors.Is(err, pebble.ErrNotFound) {
			continue
		}
		if err != nil {
			return t, err
		}
		if t.partial = len(t.spans)+len(value) > s.options.MaxTraceBytes; !t.partial {
			t.spans = append(t.spans, value...) // concatenated requests are one merged request
			if t.from == 0 || p.from < t.from {
				t.from = p.from
			}
			t.when = max(t.when, p.when)
		}
		if err := closer.Close(); err != nil {
			return t, err
		}
		if t.partial {
			break
		}
	}
	t.spans, t.count = unique(t.spans)
	return t, nil
}
