package metrics

import (
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/rejects"
	"github.com/sluiceio/sluice/wire/prom"
)

// refusals are the points of a batch that were not stored. A point counts once, under the reason of its first refused
// sample.
type refusals struct {
	rejects.List
	point   int // added last
	samples int
}

func (r *refusals) reset() {
	r.Reset()
	r.point, r.samples = -1, 0
}

// add counts a sample. Those of target_info belong to no point.
func (r *refusals) add(s *prom.Sample, why pipeline.Reason) {
	r.samples++
	if s.Point < 0 || s.Point == r.point {
		return
	}
	r.point = s.Point
	r.Add(why, s.Point, 0, func() string { return s.Labels.String() })
}

// Refused implements prom.Refuser.
func (w *writer) Refused(point int, why prom.Why, metric string) {
	reason := pipeline.DropUnsupported
	if why == prom.WhyName || why == prom.WhyLabel || why == prom.WhyBuckets || why == prom.WhyHistogram {
		reason = pipeline.DropInvalid
	}
	w.refusals.Add(reason, point, 0, func() string { return metric + ": " + why.String() })
}

func words(o Options) map[pipeline.Reason]string {
	return map[pipeline.Reason]string{
		pipeline.DropTooOld:      "are older than the retention of " + o.Retention.String() + ", or than what their series takes late (" + lateWindow.String() + ")",
		pipeline.DropTooNew:      "are more than " + aheadLimit.String() + " ahead of this machine's clock",
		pipeline.DropDuplicate:   "have another value than the sample that is stored for the same series and time",
		pipeline.DropOutOfOrder:  "came out of order",
		pipeline.DropOverflow:    "would make more series than max_series; raise it, or send fewer series",
		pipeline.DropInvalid:     "are no valid Prometheus series or contradict themselves",
		pipeline.DropUnsupported: "are of a kind that Prometheus does not have",
	}
}

// settle counts a committed batch and returns its answer.
func (w *writer) settle(b pipeline.Batch) error {
	s := w.store
	lost := min(w.refusals.Items(), b.Items)
	s.settings.Delivered(pipeline.Metrics, b.Items-lost, int(int64(len(b.Request))*int64(b.Items-lost)/int64(max(1, b.Items))))
	s.metrics.samples.Add(float64(w.samples))
	s.metrics.refusedSamples.Add(float64(w.refusals.samples))
	s.metrics.refusedExemplars.Add(float64(w.refusedExemplars))
	s.metrics.cacheBytes.Set(float64(w.translator.CacheBytes()))
	return w.teller.Answer(b.Items, &w.refusals.List)
}
