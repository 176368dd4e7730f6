package prom

import (
	"encoding/binary"
	"math"

	"github.com/sluiceio/sluice/wire"
)

// walkHistogram emits a classic histogram: sum, count and cumulative buckets.
func (t *Translator) walkHistogram(b []byte) error {
	p := wire.ParseHistogramPoint(b)
	if t.cfg.CheckHistograms && p.Flags&wire.FlagNoRecordedValue == 0 && contradicts(&p) {
		t.refuse(WhyHistogram)
		return nil
	}
	v := t.histogramSeries(&p, b)
	if v.why != 0 {
		t.refuse(v.why)
		return nil
	}
	t.begin(p.Time, p.Start)
	t.sample.Stale = p.Flags&wire.FlagNoRecordedValue != 0
	if p.HasSum {
		if err := t.emit(v.first, p.Sum); err != nil {
			return err
		}
	}
	if err := t.emit(v.first+1, float64(p.Count)); err != nil {
		return err
	}

	t.exemplars.reset()
	if !t.sample.Stale {
		t.readExemplars(p.Exemplars())
	}
	var total uint64
	buckets := v.first + 2
	below := math.NaN() // nothing is below the first bucket
	for i := range min(p.ExplicitBounds.Len(), p.BucketCounts.Len()) {
		total += p.BucketCounts.At(i)
		bound := p.ExplicitBounds.At(i)
		if math.IsInf(bound, 1) {
			continue // the last bucket says it all
		}
		t.sample.Exemplars = t.exemplars.between(below, bound)
		if err := t.emit(buckets+uint32(i), float64(total)); err != nil {
			return err
		}
		below = bound
	}
	t.sample.Exemplars = t.exemplars.between(below, math.Inf(1))
	return t.emit(v.first+v.n-1, float64(p.Count))
}

// contradicts reports whether a histogram breaks the rules of OTLP. It may have no buckets at all.
func contradicts(p *wire.HistogramPoint) bool {
	counts, bounds := p.BucketCounts.Len(), p.ExplicitBounds.Len()
	if counts == 0 {
		return bounds > 0
	}
	var total uint64
	for i := range counts {
		total += p.BucketCounts.At(i)
	}
	below := math.Inf(-1)
	for i := range bounds {
		bound := p.ExplicitBounds.At(i)
		if i > 0 && !(bound > below) || math.IsNaN(bound) {
			return true
		}
		below = bound
	}
	return counts != bounds+1 || total != p.Count
}

// histogramSeries returns the series of a classic histogram: sum, count, buckets. The bounds are part of the key
// because they become labels.
func (t *Translator) histogramSeries(p *wire.HistogramPoint, b []byte) points {
	run := attributeRun(b, wire.FieldHistogramAttributes)
	k := append(t.key[:0], run...)
	for i := range p.ExplicitBounds.Len() {
		k = binary.LittleEndian.AppendUint64(k, math.Float64bits(p.ExplicitBounds.At(i)))
	}
	t.key = binary.LittleEndian.AppendUint32(k, uint32(len(run))) // so that no bound reads as an attribute
	if i, ok := t.points.get(t.at.in, t.key); ok {
		return t.points.cur.entries[i].value
	}
	t.budget.room()
	v := t.learnPoint(p.Attributes())
	if v.why == 0 {
		t.hold("_sum")
		t.hold("_count")
		for i := range p.ExplicitBounds.Len() {
			t.set.set(leLabel, formatFloat(p.ExplicitBounds.At(i)))
			t.hold("_bucket")
		}
		t.set.set(leLabel, formatFloat(math.Inf(1)))
		t.hold("_bucket")
	}
	return t.points.cur.entries[t.learned(t.key, v)].value
}

// walkSummary emits a summary: sum, count, quantiles.
func (t *Translator) walkSummary(b []byte) error {
	p := wire.ParseSummaryPoint(b)
	v := t.summarySeries(&p, b)
	if v.why != 0 {
		t.refuse(v.why)
		return nil
	}
	t.begin(p.Time, p.Start)
	t.sample.Stale = p.Flags&wire.FlagNoRecordedValue != 0
	if err := t.emit(v.first, p.Sum); err != nil {
		return err
	}
	if err := t.emit(v.first+1, float64(p.Count)); err != nil {
		return err
	}
	i := v.first + 2
	for q := p.Quantiles(); q.Next(); i++ {
		if err := t.emit(i, q.Value()); err != nil {
			return err
		}
	}
	return nil
}

func (t *Translator) summarySeries(p *wire.SummaryPoint, b []byte) points {
	run := attributeRun(b, wire.FieldSummaryAttributes)
	k := append(t.key[:0], run...)
	for q := p.Quantiles(); q.Next(); {
		k = binary.LittleEndian.AppendUint64(k, math.Float64bits(q.Quantile()))
	}
	t.key = binary.LittleEndian.AppendUint32(k, uint32(len(run)))
	if i, ok := t.points.get(t.at.in, t.key); ok {
		return t.points.cur.entries[i].value
	}
	t.budget.room()
	v := t.learnPoint(p.Attributes())
	if v.why == 0 {
		t.hold("_sum")
		t.hold("_count")
		for q := p.Quantiles(); q.Next(); {
			t.set.set(quantileLabel, formatFloat(q.Quantile()))
			t.hold("")
		}
	}
	return t.points.cur.entries[t.learned(t.key, v)].value
}
