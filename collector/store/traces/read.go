package traces

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/sluiceio/sluice/wire"
)

// A fragment is the spans of one trace in one batch.
type fragment struct {
	place
	spans wire.Request // valid until the next fragment
}

// checkEvery is how many fragments a scan reads between two looks at its context.
const checkEvery = 64

// scan visits the fragments that may hold spans in w, the latest end first, until visit answers false. Fragments that
// end after w because a long span does are among them, and so are some that began after w.
func (s *Store) scan(ctx context.Context, w window, visit func(fragment) (more bool, err error)) error {
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

// fragmentBounds are the keys of the fragments that end in w or less than a stretch after it.
func (s *Store) fragmentBounds(w window) *pebble.IterOptions {
	to := w.to
	for _, b := range *s.buckets.Load() {
		if beyond := w.to + uint64(b.stretch)*1e9; b.end() > w.to && beyond > w.to {
			to = max(to, beyond)
		}
	}
	lower, upper := fragmentRange(w.from, to)
	return &pebble.IterOptions{LowerBound: lower, UpperBound: upper}
}

// places returns where the fragments of a trace are, the latest end first. Some may be gone.
func (s *Store) places(ctx context.Context, id traceID) (_ []place, err error) {
	lower, upper := []byte{rowIndex}, []byte{rowIndex + 1}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var found []place
	var prefix [indexPrefixLen]byte
	buckets := *s.buckets.Load()
	for i := len(buckets) - 1; i >= 0; {
		day := buckets[i].hour / hoursPerDay
		for i >= 0 && buckets[i].hour/hoursPerDay == day {
			i--
		}
		for ok := it.SeekPrefixGE(appendIndexPrefix(prefix[:0], day, id)); ok; ok = it.Next() {
			p, known := placeOfIndex(it.Key(), it.Value())
			if !known {
				return nil, fmt.Errorf("the row %x is damaged", it.Key())
			}
			if hasHour(buckets, p.hour()) {
				found = append(found, p)
			}
		}
		if err := it.Error(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// hasHour reports whether an hour is still stored; the index of a day outlives its first hours.
func hasHour(buckets []bucket, hour uint32) bool {
	_, found := slices.BinarySearchFunc(buckets, hour, byHour)
	return found
}

// A trace is all that is stored of one trace, without repetitions.
type trace struct {
	id      traceID
	spans   wire.Request
	count   int
	from    uint64
	when    uint64
	partial bool // there is more than MaxTraceBytes of it
}

// trace reads a whole trace. One that is not stored has no spans.
func (s *Store) trace(ctx context.Context, id traceID) (trace, error) {
	places, err := s.places(ctx, id)
	if err != nil {
		return trace{}, err
	}
	return s.traceAt(ctx, id, places)
}

// traceAt reads a trace whose places are known.
func (s *Store) traceAt(ctx context.Context, id traceID, places []place) (trace, error) {
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
			t.spans = append(t.spans, value...) // merging is appending
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
