package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/rejects"
	"github.com/sluiceio/sluice/wire/prom"
)

// Append stores a batch. After nil, all points except those counted as dropped are in the write-ahead log; after an
// error nothing is stored.
func (s *Store) Append(ctx context.Context, b pipeline.Batch) error {
	if b.Signal != pipeline.Metrics {
		return pipeline.Reject(b.Items, pipeline.DropInvalid, fmt.Errorf("the metric store takes no %s", b.Signal))
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return pipeline.Withdrawn(ctx)
	}
	if s.closed {
		return pipeline.Refuse(0, errors.New("the metric store is closed"))
	}
	w := s.writer
	w.begin(ctx, time.Now())
	if _, err := w.translator.Walk(b.Request, w); err != nil {
		return pipeline.Refuse(time.Second, errors.Join(fmt.Errorf("cannot append: %w", err), w.app.Rollback()))
	}
	if err := w.app.Commit(); err != nil {
		return pipeline.Refuse(time.Second, fmt.Errorf("cannot write the metric store: %w", err))
	}
	return w.settle(b)
}

// writer appends one batch at a time, under Store.turn.
type writer struct {
	store      *Store
	translator *prom.Translator
	builder    labels.ScratchBuilder
	exemplars  []exemplar.Exemplar
	seen       seen
	teller     rejects.Teller

	// Of the current batch.
	ctx              context.Context
	app              storage.AppenderV2
	oldest, newest   int64 // accepted times, ms
	lateLimit        int64 // oldest time accepted out of order, ms; math.MinInt64 while the store is empty
	refusals         refusals
	samples          int
	refusedExemplars int
}

func newWriter(s *Store) *writer {
	c := *s.options.Translate
	c.CacheBytes, c.CheckHistograms = s.options.CacheBytes, true
	return &writer{
		store: s, translator: prom.New(c),
		builder: labels.NewScratchBuilder(16),
		teller:  rejects.Teller{Log: s.settings.Log, What: "data points", Words: words(s.options)},
	}
}

func (w *writer) begin(ctx context.Context, now time.Time) {
	w.ctx = ctx
	w.oldest = now.Add(-w.store.options.Retention).UnixMilli()
	w.newest = now.Add(aheadLimit).UnixMilli()
	w.lateLimit = math.MinInt64
	if newest := w.store.db.Head().MaxTime(); newest > math.MinInt64 {
		w.lateLimit = newest - lateWindow.Milliseconds()
	}
	w.app = w.store.db.AppenderV2(ctx)
	w.seen.reset()
	w.refusals.reset()
	w.samples, w.refusedExemplars = 0, 0
}

// Sample implements prom.Sink. An error ends the batch: the TSDB is broken.
func (w *writer) Sample(s *prom.Sample) error {
	if s.Family.Slot == 0 {
		s.Family.Slot = 1
		w.store.families.add(s.Family)
	}
	switch {
	case s.Time < w.oldest:
		w.refusals.add(s, pipeline.DropTooOld)
		return nil
	case s.Time > w.newest:
		w.refusals.add(s, pipeline.DropTooNew)
		return nil
	}
	if *s.Slot == 0 {
		known, err := w.resolve(s)
		if err != nil || !known {
			return err
		}
	}
	switch w.seen.check(*s.Slot, s.Time, bits(s)) {
	case again:
		return nil
	case conflict:
		w.refusals.add(s, pipeline.DropDuplicate)
		return nil
	case backwards:
		return w.late(s)
	}
	return w.add(s, labels.EmptyLabels())
}

// resolve finds or creates a series that is not in the cache. False means that the sample is done: refused, or added
// with its new series.
func (w *writer) resolve(s *prom.Sample) (bool, error) {
	ls := w.labels(s.Labels)
	if refs, ok := w.app.(storage.GetRef); ok {
		if ref, _ := refs.GetRef(ls, ls.Hash()); ref != 0 {
			*s.Slot = uint64(ref)
			return true, nil
		}
	}
	if w.store.db.Head().NumSeries() >= w.limit(ls) {
		w.refusals.add(s, pipeline.DropOverflow)
		return false, nil
	}
	return false, w.add(s, ls)
}

// limit is the maximum number of series. Sluice's own get headroom, so that the metrics that report the limit survive
// it. Recorded series and ALERTS have none.
func (w *writer) limit(ls labels.Labels) uint64 {
	n := uint64(w.store.options.MaxSeries)
	if strings.HasPrefix(ls.Get(labels.MetricName), ownPrefix) {
		n += ownHeadroom
	}
	return n
}

const (
	ownPrefix   = "sluice_"
	ownHeadroom = 10_000
)

// add appends a sample newer than the others of its series in this batch. ls may be empty if the slot has a
// reference.
func (w *writer) add(s *prom.Sample, ls labels.Labels) error {
	err := w.append(s, ls, storage.AOptions{RejectOutOfOrder: true})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, storage.ErrOutOfOrderSample):
		return w.late(s)
	}
	return w.refused(s, err)
}

// append passes a sample to the TSDB, by labels if the TSDB forgot the reference after hours without samples.
func (w *writer) append(s *prom.Sample, ls labels.Labels, opts storage.AOptions) error {
	opts.Exemplars = w.readExemplars(s.Exemplars)
	h := w.histogram(s)
	ref, err := w.app.Append(storage.SeriesRef(*s.Slot), ls, s.Start, s.Time, s.Value, h, nil, opts)
	if ls.IsEmpty() && errors.Is(err, tsdb.ErrInvalidSample) {
		ref, err = w.app.Append(0, w.labels(s.Labels), s.Start, s.Time, s.Value, h, nil, opts)
	}
	if err != nil {
		// Declared here because it escapes to the heap.
		var partial *storage.AppendPartialError
		if !errors.As(err, &partial) {
			return err
		}
		w.refusedExemplars += len(partial.ExemplarErrors)
	}
	*s.Slot = uint64(ref)
	w.seen.note(*s.Slot, s.Time, bits(s))
	w.samples++
	if w.lateLimit == math.MinInt64 { // the first sample of an empty store sets the limit
		w.lateLimit = s.Time - lateWindow.Milliseconds()
	}
	return nil
}

// refused counts a rejected sample; other errors end the batch.
func (w *writer) refused(s *prom.Sample, err error) error {
	switch {
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds):
		w.refusals.add(s, pipeline.DropTooOld)
	case errors.Is(err, storage.ErrOutOfOrderSample):
		w.refusals.add(s, pipeline.DropOutOfOrder)
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		w.refusals.add(s, pipeline.DropDuplicate)
	case errors.Is(err, tsdb.ErrInvalidSample), s.Histogram != nil:
		w.refusals.add(s, pipeline.DropInvalid)
	default:
		return err
	}
	return nil
}

func (w *writer) labels(from prom.Labels) labels.Labels {
	w.builder.Reset()
	for c := from.Cursor(); c.Next(); {
		w.builder.Add(string(c.Name), string(c.Value))
	}
	return w.builder.Labels()
}

// readExemplars copies exemplars because the TSDB keeps their labels.
func (w *writer) readExemplars(from []prom.Exemplar) []exemplar.Exemplar {
	if len(from) == 0 {
		return nil
	}
	w.exemplars = w.exemplars[:0]
	for _, x := range from {
		w.exemplars = append(w.exemplars, exemplar.Exemplar{
			Labels: w.labels(x.Labels), Value: x.Value, Ts: x.Time, HasTs: true,
		})
	}
	return w.exemplars
}

// histogram copies, because the TSDB keeps it until the commit.
func (w *writer) histogram(s *prom.Sample) *histogram.Histogram {
	from := s.Histogram
	switch {
	case from == nil:
		return nil
	case s.Stale:
		return &histogram.Histogram{Sum: prom.StaleNaN()}
	}
	return &histogram.Histogram{
		Schema: from.Schema, ZeroThreshold: from.ZeroThreshold, ZeroCount: from.ZeroCount,
		Count: from.Count, Sum: from.Sum,
		PositiveSpans: spans(from.PositiveSpans), PositiveBuckets: append([]int64(nil), from.PositiveDeltas...),
		NegativeSpans: spans(from.NegativeSpans), NegativeBuckets: append([]int64(nil), from.NegativeDeltas...),
	}
}

func spans(from []prom.Span) []histogram.Span {
	to := make([]histogram.Span, len(from))
	for i, s := range from {
		to[i] = histogram.Span{Offset: s.Offset, Length: s.Length}
	}
	return to
}

// bits distinguishes values of the same series and time.
func bits(s *prom.Sample) uint64 {
	if h := s.Histogram; h != nil {
		return math.Float64bits(h.Sum) ^ h.Count*0x9e3779b97f4a7c15 ^ h.ZeroCount<<32
	}
	return math.Float64bits(s.Value)
}
