package debug

import (
	"fmt"
	"math"

	"github.com/sluiceio/sluice/wire"
)

// metricTypes are the names in the Collector's output.
var metricTypes = [...]string{
	wire.MetricNone: "Empty", wire.MetricGauge: "Gauge", wire.MetricSum: "Sum", wire.MetricHistogram: "Histogram",
	wire.MetricExponentialHistogram: "ExponentialHistogram", wire.MetricSummary: "Summary",
}

func appendMetric(dst []byte, m wire.Metric) []byte {
	dst = append(dst, "Descriptor:\n"...)
	dst = appendEntry(dst, "     -> Name: ", m.Name)
	dst = appendEntry(dst, "     -> Description: ", m.Description)
	dst = appendEntry(dst, "     -> Unit: ", m.Unit)
	dst = fmt.Appendf(dst, "     -> DataType: %s\n", metricTypes[m.Type])
	dst = appendAttributes(dst, "     -> Metadata:", m.Metadata())
	switch m.Type {
	case wire.MetricSum:
		dst = fmt.Appendf(dst, "     -> IsMonotonic: %v\n", m.Monotonic)
		fallthrough
	case wire.MetricHistogram, wire.MetricExponentialHistogram:
		dst = appendEntry(dst, "     -> AggregationTemporality: ", named(m.Temporality, "Unspecified", "Delta", "Cumulative"))
	}
	i := 0
	for points := m.Points(); points.Next(); i++ {
		switch b := points.Bytes(); m.Type {
		case wire.MetricHistogram:
			dst = appendHistogram(dst, i, wire.ParseHistogramPoint(b))
		case wire.MetricExponentialHistogram:
			dst = appendExponential(dst, i, wire.ParseExponentialHistogramPoint(b))
		case wire.MetricSummary:
			dst = appendSummary(dst, i, wire.ParseSummaryPoint(b))
		default:
			dst = appendNumber(dst, i, wire.ParseNumberPoint(b))
		}
	}
	return dst
}

func appendTimes(dst []byte, start, end uint64) []byte {
	dst = appendTimeEntry(dst, "StartTimestamp: ", start)
	return appendTimeEntry(dst, "Timestamp: ", end)
}

func appendStale(dst []byte, flags uint32) []byte {
	if flags&wire.FlagNoRecordedValue == 0 {
		return dst
	}
	return append(dst, "NoRecordedValue: true\n"...)
}

func appendNumber(dst []byte, i int, p wire.NumberPoint) []byte {
	dst = fmt.Appendf(dst, "NumberDataPoints #%d\n", i)
	dst = appendAttributes(dst, "Data point attributes:", p.Attributes())
	dst = appendTimes(dst, p.Start, p.Time)
	dst = appendStale(dst, p.Flags)
	switch {
	case p.IsInt:
		dst = fmt.Appendf(dst, "Value: %d\n", p.Int)
	case p.HasValue:
		dst = append(appendFloat(append(dst, "Value: "...), p.Double), '\n')
	}
	return appendExemplars(dst, p.Exemplars())
}

func appendMoments(dst []byte, count uint64, sum, low, high moment) []byte {
	dst = fmt.Appendf(dst, "Count: %d\n", count)
	for _, m := range []moment{sum, low, high} {
		if m.there {
			dst = append(appendFloat(append(dst, m.name...), m.value), '\n')
		}
	}
	return dst
}

// moment is an optional value of a distribution.
type moment struct {
	name  string
	value float64
	there bool
}

func appendHistogram(dst []byte, i int, p wire.HistogramPoint) []byte {
	dst = fmt.Appendf(dst, "HistogramDataPoints #%d\n", i)
	dst = appendAttributes(dst, "Data point attributes:", p.Attributes())
	dst = appendTimes(dst, p.Start, p.Time)
	dst = appendStale(dst, p.Flags)
	dst = appendMoments(dst, p.Count, moment{"Sum: ", p.Sum, p.HasSum}, moment{"Min: ", p.Min, p.HasMin}, moment{"Max: ", p.Max, p.HasMax})
	for j := range p.ExplicitBounds.Len() {
		dst = fmt.Appendf(dst, "ExplicitBounds #%d: ", j)
		dst = append(appendFloat(dst, p.ExplicitBounds.At(j)), '\n')
	}
	for j := range p.BucketCounts.Len() {
		dst = fmt.Appendf(dst, "Buckets #%d, Count: %d\n", j, p.BucketCounts.At(j))
	}
	return appendExemplars(dst, p.Exemplars())
}

func appendExponential(dst []byte, i int, p wire.ExponentialHistogramPoint) []byte {
	dst = fmt.Appendf(dst, "ExponentialHistogramDataPoints #%d\n", i)
	dst = appendAttributes(dst, "Data point attributes:", p.Attributes())
	dst = appendTimes(dst, p.Start, p.Time)
	dst = appendStale(dst, p.Flags)
	dst = appendMoments(dst, p.Count, moment{"Sum: ", p.Sum, p.HasSum}, moment{"Min: ", p.Min, p.HasMin}, moment{"Max: ", p.Max, p.HasMax})
	base := math.Exp2(math.Exp2(-float64(p.Scale)))
	for j, c := int64(0), p.Negative.Counts(); c.Next(); j++ {
		if c.Value() == 0 {
			continue
		}
		low := math.Pow(base, float64(int64(p.Negative.Offset)+j))
		dst = fmt.Appendf(dst, "Bucket [%f, %f), Count: %d\n", -low*base, -low, c.Value())
	}
	if p.ZeroCount > 0 {
		dst = fmt.Appendf(dst, "Bucket [%g, %g], Count: %d\n", 0-p.ZeroThreshold, p.ZeroThreshold, p.ZeroCount)
	}
	for j, c := int64(0), p.Positive.Counts(); c.Next(); j++ {
		if c.Value() == 0 {
			continue
		}
		low := math.Pow(base, float64(int64(p.Positive.Offset)+j))
		dst = fmt.Appendf(dst, "Bucket (%f, %f], Count: %d\n", low, low*base, c.Value())
	}
	return appendExemplars(dst, p.Exemplars())
}

func appendSummary(dst []byte, i int, p wire.SummaryPoint) []byte {
	dst = fmt.Appendf(dst, "SummaryDataPoints #%d\n", i)
	dst = appendAttributes(dst, "Data point attributes:", p.Attributes())
	dst = appendTimes(dst, p.Start, p.Time)
	dst = appendStale(dst, p.Flags)
	dst = appendMoments(dst, p.Count, moment{"Sum: ", p.Sum, true}, moment{}, moment{})
	j := 0
	for q := p.Quantiles(); q.Next(); j++ {
		dst = fmt.Appendf(dst, "QuantileValue #%d: Quantile %f, Value %f\n", j, q.Quantile(), q.Value())
	}
	return dst
}

func appendExemplars(dst []byte, c wire.Exemplars) []byte {
	for i := 0; c.Next(); i++ {
		if i == 0 {
			dst = append(dst, "Exemplars:\n"...)
		}
		e := c.Exemplar()
		dst = fmt.Appendf(dst, "Exemplar #%d\n", i)
		dst = appendIDEntry(dst, "     -> Trace ID: ", e.TraceID)
		dst = appendIDEntry(dst, "     -> Span ID: ", e.SpanID)
		dst = appendTimeEntry(dst, "     -> Timestamp: ", e.Time)
		dst = append(appendFloat(append(dst, "     -> Value: "...), e.Value()), '\n')
		dst = appendAttributes(dst, "     -> FilteredAttributes:", e.Attributes())
	}
	return dst
}
