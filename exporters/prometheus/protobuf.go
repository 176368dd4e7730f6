package prometheus

import (
	"math"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// protobuf is io.prometheus.client.MetricFamily, delimited: the only exposition with native histograms
// (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto).
type protobuf struct{ times bool }

func (protobuf) contentType() string {
	return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
}

func (protobuf) end(dst []byte) []byte { return dst }

// Field numbers of metrics.proto.
const (
	fieldFamilyName, fieldFamilyHelp, fieldFamilyType, fieldFamilyMetric, fieldFamilyUnit = 1, 2, 3, 4, 5

	fieldMetricLabel, fieldMetricGauge, fieldMetricCounter, fieldMetricSummary   = 1, 2, 3, 4
	fieldMetricUntyped, fieldMetricTime, fieldMetricHistogram                    = 5, 6, 7
	fieldLabelName, fieldLabelValue                                              = 1, 2
	fieldValue, fieldCounterExemplar                                             = 1, 2
	fieldExemplarLabel, fieldExemplarValue, fieldExemplarTime                    = 1, 2, 3
	fieldCount, fieldSum, fieldBucket                                            = 1, 2, 3 // of summary and histogram; a summary's quantile
	fieldQuantile, fieldQuantileValue                                            = 1, 2
	fieldBucketCount, fieldBucketBound, fieldBucketExemplar                      = 1, 2, 3
	fieldSchema, fieldZeroThreshold, fieldZeroCount                              = 5, 6, 7
	fieldNegativeSpan, fieldNegativeDelta, fieldPositiveSpan, fieldPositiveDelta = 9, 10, 12, 13
	fieldSpanOffset, fieldSpanLength                                             = 1, 2
)

// Values of MetricType.
const (
	counter uint64 = iota
	gauge
	summary
	untyped
	histogram
	gaugeHistogram
)

var protobufTypes = map[string]uint64{
	"counter": counter, "gauge": gauge, "summary": summary, "histogram": histogram, "gaugehistogram": gaugeHistogram, "info": gauge, "stateset": gauge,
}

func (o protobuf) family(dst []byte, t *table, f *family) []byte {
	typ, known := protobufTypes[f.typ]
	if !known {
		typ = untyped
	}
	from := len(dst)
	dst = wire.AppendString(dst, fieldFamilyName, f.name)
	dst = wire.AppendString(dst, fieldFamilyHelp, f.help)
	dst = wire.AppendUint(dst, fieldFamilyType, typ)
	for at := 0; at < len(f.members); {
		to := at + 1
		first := &t.series[f.members[at]]
		if typ == summary || typ >= histogram {
			for to < len(f.members) && first.native == nil && t.series[f.members[to]].native == nil && t.series[f.members[to]].group == first.group {
				to++
			}
		}
		dst = o.metric(dst, t, f.members[at:to], typ)
		at = to
	}
	dst = wire.AppendString(dst, fieldFamilyUnit, f.unit)
	size := len(dst) - from
	dst = wire.AppendVarint(dst, uint64(size))
	var length [10]byte
	n := copy(length[:], dst[from+size:])
	copy(dst[from+n:], dst[from:from+size])
	copy(dst[from:], length[:n])
	return dst
}

// metric writes the series of one metric: one, or those of a classic histogram or summary.
func (o protobuf) metric(dst []byte, t *table, members []uint32, typ uint64) []byte {
	first := &t.series[members[0]]
	dst, mark := wire.BeginMessage(dst, fieldFamilyMetric)
	skip := ""
	switch {
	case typ == summary:
		skip = "quantile"
	case typ >= histogram:
		skip = "le"
	}
	dst = appendPairs(dst, fieldMetricLabel, first.labels, skip)
	var inner int
	switch typ {
	case counter:
		dst, inner = wire.BeginMessage(dst, fieldMetricCounter)
		dst = appendDouble(dst, fieldValue, first.value)
		dst = appendExemplar(dst, fieldCounterExemplar, first.exemplar)
	case gauge:
		dst, inner = wire.BeginMessage(dst, fieldMetricGauge)
		dst = appendDouble(dst, fieldValue, first.value)
	case untyped:
		dst, inner = wire.BeginMessage(dst, fieldMetricUntyped)
		dst = appendDouble(dst, fieldValue, first.value)
	case summary:
		dst, inner = wire.BeginMessage(dst, fieldMetricSummary)
		dst = t.parts(dst, members, func(dst []byte, k *series) []byte {
			dst, m := wire.BeginMessage(dst, fieldBucket)
			dst = appendDouble(dst, fieldQuantile, k.bound)
			dst = appendDouble(dst, fieldQuantileValue, k.value)
			return wire.EndMessage(dst, m)
		})
	default:
		dst, inner = wire.BeginMessage(dst, fieldMetricHistogram)
		if first.native != nil {
			dst = appendNative(dst, &first.native.Histogram)
			break
		}
		dst = t.parts(dst, members, func(dst []byte, k *series) []byte {
			dst, m := wire.BeginMessage(dst, fieldBucket)
			dst = wire.AppendUint(dst, fieldBucketCount, uint64(k.value))
			dst = appendDouble(dst, fieldBucketBound, k.bound)
			dst = appendExemplar(dst, fieldBucketExemplar, k.exemplar)
			return wire.EndMessage(dst, m)
		})
	}
	dst = wire.EndMessage(dst, inner)
	if o.times {
		dst = wire.AppendUint(dst, fieldMetricTime, uint64(first.time))
	}
	return wire.EndMessage(dst, mark)
}

// parts writes count, sum and what each gives for the others.
func (t *table) parts(dst []byte, members []uint32, each func([]byte, *series) []byte) []byte {
	for _, i := range members {
		switch k := &t.series[i]; k.suffix {
		case "_count":
			dst = wire.AppendUint(dst, fieldCount, uint64(k.value))
		case "_sum":
			dst = appendDouble(dst, fieldSum, k.value)
		default:
			dst = each(dst, k)
		}
	}
	return dst
}

// appendDouble writes zero too, unlike wire: proto2 tells it from nothing.
func appendDouble(dst []byte, field int, v float64) []byte {
	return wire.AppendFixed64(dst, field, math.Float64bits(v))
}

func appendPairs(dst []byte, field int, labels prom.Labels, skip string) []byte {
	for c := labels.Cursor(); c.Next(); {
		if name := string(c.Name); name == nameLabel || skip != "" && name == skip {
			continue
		}
		var mark int
		dst, mark = wire.BeginMessage(dst, field)
		dst = wire.AppendBytes(dst, fieldLabelName, c.Name)
		dst = wire.AppendBytes(dst, fieldLabelValue, c.Value)
		dst = wire.EndMessage(dst, mark)
	}
	return dst
}

func appendExemplar(dst []byte, field int, x *exemplar) []byte {
	if x == nil {
		return dst
	}
	dst, mark := wire.BeginMessage(dst, field)
	dst = appendPairs(dst, fieldExemplarLabel, x.raw, "")
	dst = appendDouble(dst, fieldExemplarValue, x.value)
	dst, at := wire.BeginMessage(dst, fieldExemplarTime)
	dst = wire.AppendUint(dst, 1, uint64(x.time/1000))
	dst = wire.AppendUint(dst, 2, uint64(x.time%1000*1e6))
	dst = wire.EndMessage(dst, at)
	return wire.EndMessage(dst, mark)
}

func appendNative(dst []byte, h *prom.Histogram) []byte {
	dst = wire.AppendUint(dst, fieldCount, h.Count)
	dst = appendDouble(dst, fieldSum, h.Sum)
	dst = wire.AppendSint(dst, fieldSchema, h.Schema)
	dst = appendDouble(dst, fieldZeroThreshold, h.ZeroThreshold)
	dst = wire.AppendUint(dst, fieldZeroCount, h.ZeroCount)
	dst = appendBuckets(dst, fieldNegativeSpan, h.NegativeSpans, h.NegativeDeltas)
	dst = appendBuckets(dst, fieldPositiveSpan, h.PositiveSpans, h.PositiveDeltas)
	if len(h.NegativeSpans)+len(h.PositiveSpans) == 0 { // how a reader knows an empty native histogram
		var mark int
		dst, mark = wire.BeginMessage(dst, fieldPositiveSpan)
		dst = wire.EndMessage(wire.AppendUint(wire.AppendSint(dst, fieldSpanOffset, 0), fieldSpanLength, 0), mark)
	}
	return dst
}

// appendBuckets writes spans and, in the field after theirs, deltas, which proto2 does not pack.
func appendBuckets(dst []byte, field int, spans []prom.Span, deltas []int64) []byte {
	for _, s := range spans {
		var mark int
		dst, mark = wire.BeginMessage(dst, field)
		dst = wire.AppendSint(dst, fieldSpanOffset, s.Offset)
		dst = wire.AppendUint(dst, fieldSpanLength, uint64(s.Length))
		dst = wire.EndMessage(dst, mark)
	}
	for _, d := range deltas {
		dst = wire.AppendTag(dst, field+1, wire.TypeVarint)
		dst = wire.AppendVarint(dst, uint64(d<<1)^uint64(d>>63))
	}
	return dst
}
