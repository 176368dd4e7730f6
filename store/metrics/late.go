package metrics

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// late appends an out-of-order sample. For a stored time, the TSDB silently drops it or keeps both values, so late
// looks first, which costs about 4 µs.
func (w *writer) late(s *prom.Sample) error {
	if s.Time < w.lateLimit {
		w.refusals.add(s, pipeline.DropTooOld)
		return nil
	}
	ls := w.labels(s.Labels)
	found, same, err := w.stored(s, ls)
	switch {
	case err != nil:
		return fmt.Errorf("cannot look a late sample up: %w", err)
	case same:
		return nil // a retry, for example after a lost answer
	case found:
		w.refusals.add(s, pipeline.DropDuplicate)
		return nil
	}
	if err := w.append(s, ls, storage.AOptions{}); err != nil {
		return w.refused(s, err)
	}
	return nil
}

// stored looks for a committed sample at s.Time.
func (w *writer) stored(s *prom.Sample, ls labels.Labels) (found, same bool, err error) {
	q, err := w.store.db.Querier(s.Time, s.Time)
	if err != nil {
		return false, false, err
	}
	defer q.Close()
	matchers := make([]*labels.Matcher, 0, 16)
	ls.Range(func(l labels.Label) {
		matchers = append(matchers, labels.MustNewMatcher(labels.MatchEqual, l.Name, l.Value))
	})
	set := q.Select(w.ctx, false, nil, matchers...)
	for set.Next() {
		// The matchers allow additional labels.
		if !labels.Equal(set.At().Labels(), ls) {
			continue
		}
		it := set.At().Iterator(nil)
		for typ := it.Next(); typ != chunkenc.ValNone; typ = it.Next() {
			if it.AtT() == s.Time {
				return true, w.equals(s, typ, it), nil
			}
		}
	}
	return false, false, set.Err()
}

func (w *writer) equals(s *prom.Sample, typ chunkenc.ValueType, it chunkenc.Iterator) bool {
	switch typ {
	case chunkenc.ValFloat:
		_, v := it.At()
		return s.Histogram == nil && math.Float64bits(v) == math.Float64bits(s.Value)
	case chunkenc.ValHistogram:
		_, h := it.AtHistogram(&histogram.Histogram{})
		if s.Histogram == nil {
			return s.Stale && prom.IsStaleNaN(h.Sum)
		}
		mine := w.histogram(s)
		return s.Stale && prom.IsStaleNaN(h.Sum) || mine.Compact(0).Equals(h.Compact(0))
	}
	return false
}
