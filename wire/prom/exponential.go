package prom

import (
	"math"

	"github.com/sluiceio/sluice/wire"
)

// A Histogram is a native histogram with integer counts, laid out as in remote write: non-empty buckets as spans,
// counts as deltas.
type Histogram struct {
	Count, ZeroCount uint64
	Sum              float64
	ZeroThreshold    float64
	Schema           int32

	PositiveSpans, NegativeSpans   []Span
	PositiveDeltas, NegativeDeltas []int64
}

// A Span is a run of consecutive buckets. Offset is the first position for the first span, and the gap for the
// others.
type Span struct {
	Offset int32
	Length uint32
}

// Prometheus' schemas are OpenTelemetry's scales. Finer ones are merged down.
const (
	minSchema = -4
	maxSchema = 8
)

// zeroThreshold is what Prometheus' own translation writes, whatever the point says.
const zeroThreshold = 1e-128

// maxGap is how many empty buckets are written instead of a new span, which costs about as much.
const maxGap = 2

// walkExponential emits an exponential histogram as a native histogram.
func (t *Translator) walkExponential(b []byte) error {
	p := wire.ParseExponentialHistogramPoint(b)
	key := attributeRun(b, wire.FieldExponentialAttributes)
	i, ok := t.points.get(t.at.in, key)
	if !ok {
		i = t.learnOne(key, p.Attributes())
	}
	v := t.points.cur.entries[i].value
	if v.why == 0 {
		v.why = t.native(&p)
	}
	if v.why != 0 {
		t.refuse(v.why)
		return nil
	}
	t.begin(p.Time, p.Start)
	t.sample.Stale = p.Flags&wire.FlagNoRecordedValue != 0
	t.sample.Histogram = &t.histogram
	if t.sample.Stale {
		t.histogram.Sum, t.histogram.Count = StaleNaN(), staleBits
	} else {
		t.readExemplars(p.Exemplars())
		t.sample.Exemplars = t.exemplars.list
	}
	return t.emit(v.first, 0)
}

func (t *Translator) native(p *wire.ExponentialHistogramPoint) Why {
	if p.Scale < minSchema {
		return WhyScale
	}
	h := &t.histogram
	down := max(0, p.Scale-maxSchema)
	h.Schema = p.Scale - down
	h.Count, h.ZeroCount, h.Sum, h.ZeroThreshold = p.Count, p.ZeroCount, 0, zeroThreshold
	if p.HasSum {
		h.Sum = p.Sum
	}
	var ok bool
	if h.PositiveSpans, h.PositiveDeltas, ok = spans(h.PositiveSpans[:0], h.PositiveDeltas[:0], p.Positive, down); !ok {
		return WhyBuckets
	}
	if h.NegativeSpans, h.NegativeDeltas, ok = spans(h.NegativeSpans[:0], h.NegativeDeltas[:0], p.Negative, down); !ok {
		return WhyBuckets
	}
	return 0
}

// spans lays out buckets, merging 2^down neighbours. OpenTelemetry's bucket i begins at base^i, Prometheus' ends
// there; hence the 1. It returns false if a position does not fit.
func spans(to []Span, deltas []int64, from wire.Buckets, down int32) ([]Span, []int64, bool) {
	var (
		before int64 // count of the bucket written last
		next   int64 // position behind it
		at     int64 // position of the bucket that is summed up
		count  int64 // what it holds so far
		source = int64(from.Offset)
	)
	flush := func() bool {
		if count == 0 {
			return true
		}
		gap := at - next
		switch {
		case len(to) == 0 || gap > maxGap:
			if gap < math.MinInt32 || gap > math.MaxInt32 {
				return false
			}
			to = append(to, Span{Offset: int32(gap)})
		default:
			for range gap {
				to[len(to)-1].Length++
				deltas = append(deltas, -before)
				before = 0
			}
		}
		to[len(to)-1].Length++
		deltas = append(deltas, count-before)
		before, next, count = count, at+1, 0
		return true
	}
	for c := from.Counts(); c.Next(); source++ {
		if position := source>>down + 1; position != at {
			if !flush() {
				return to, deltas, false
			}
			at = position
		}
		count += int64(c.Value())
	}
	ok := flush()
	return to, deltas, ok && next <= math.MaxInt32
}
