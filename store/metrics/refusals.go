package metrics

import (
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// refusals counts what of a batch is not stored, in data points: a point whose samples are refused counts once, under
// the reason of the first of them.
type refusals struct {
	byReason []refusal // few
	point    int       // counted last
	samples  int
}

type refusal struct {
	why     pipeline.Reason
	points  int
	example string // a series or metric
}

func (r *refusals) reset() {
	r.byReason, r.point, r.samples = r.byReason[:0], -1, 0
}

// add counts a sample. One of target_info belongs to no point and is no item of the batch.
func (r *refusals) add(s *prom.Sample, why pipeline.Reason) {
	r.samples++
	if s.Point < 0 || s.Point == r.point {
		return
	}
	r.point = s.Point
	r.addPoints(why, 1, func() string { return s.Labels.String() })
}

func (r *refusals) addPoints(why pipeline.Reason, points int, example func() string) {
	for i := range r.byReason {
		if r.byReason[i].why == why {
			r.byReason[i].points += points
			return
		}
	}
	r.byReason = append(r.byReason, refusal{why: why, points: points, example: example()})
}

// settle books a batch that was committed.
func (w *writer) settle(b pipeline.Batch, report *prom.Report) {
	s := w.store
	report.EachRefused(func(why prom.Why, points int, metric string) {
		reason := pipeline.DropUnsupported
		if why == prom.WhyName || why == prom.WhyLabel || why == prom.WhyBuckets {
			reason = pipeline.DropInvalid
		}
		w.refusals.addPoints(reason, points, func() string { return metric + ": " + why.String() })
	})
	kept, size := b.Items, len(b.Request)
	for _, r := range w.refusals.byReason {
		share := int(int64(len(b.Request)) * int64(r.points) / int64(max(1, b.Items)))
		kept, size = kept-r.points, size-share
		s.settings.Drop(r.why, pipeline.Metrics, r.points, share)
		w.log(r)
	}
	s.settings.Delivered(pipeline.Metrics, kept, size)
	s.metrics.samples.Add(float64(w.samples))
	s.metrics.refusedSamples.Add(float64(w.refusals.samples))
	s.metrics.refusedExemplars.Add(float64(w.refusedExemplars))
	s.metrics.cacheBytes.Set(float64(w.translator.CacheBytes()))
}

// quietTime is how long a reason is not logged again.
const quietTime = time.Minute

func (w *writer) log(r refusal) {
	now := time.Now()
	if now.Sub(w.quiet[r.why]) < quietTime {
		return
	}
	w.quiet[r.why] = now
	w.store.settings.Log.Warn("data points were not stored", "reason", string(r.why), "points", r.points, "example", r.example)
}
