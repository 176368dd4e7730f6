package remotewrite

import (
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/prom"
)

// Field numbers of remote write 1.0 (prometheus.WriteRequest and its messages).
const (
	fieldTimeSeries = 1
	fieldMetadata   = 3

	fieldLabels     = 1 // also of an Exemplar; included in prom.Labels
	fieldSamples    = 2
	fieldExemplars  = 3
	fieldHistograms = 4

	fieldSampleValue = 1
	fieldSampleTime  = 2

	fieldExemplarValue = 2
	fieldExemplarTime  = 3

	fieldHistogramCount          = 1
	fieldHistogramSum            = 3
	fieldHistogramSchema         = 4
	fieldHistogramZeroThreshold  = 5
	fieldHistogramZeroCount      = 6
	fieldHistogramNegativeSpans  = 8
	fieldHistogramNegativeDeltas = 9
	fieldHistogramPositiveSpans  = 11
	fieldHistogramPositiveDeltas = 12
	fieldHistogramTime           = 15

	fieldSpanOffset = 1
	fieldSpanLength = 2

	fieldMetadataType   = 1
	fieldMetadataFamily = 2
	fieldMetadataHelp   = 4
	fieldMetadataUnit   = 5
)

func (e *encoder) frames(s *prom.Sample) span {
	from := int32(len(e.arena))
	for i := range s.Exemplars {
		x := &s.Exemplars[i]
		var mark int
		e.arena, mark = wire.BeginMessage(e.arena, fieldExemplars)
		e.arena = append(e.arena, x.Labels...)
		e.arena = wire.AppendDouble(e.arena, fieldExemplarValue, x.Value)
		e.arena = wire.AppendUint(e.arena, fieldExemplarTime, uint64(x.Time))
		e.arena = wire.EndMessage(e.arena, mark)
	}
	if s.Histogram != nil {
		e.arena = appendHistogram(e.arena, s.Histogram, s.Time)
	}
	return span{from, int32(len(e.arena))}
}

// appendHistogram writes zero counts too: they are oneof members, by which readers recognize integer histograms.
func appendHistogram(dst []byte, h *prom.Histogram, time int64) []byte {
	dst, mark := wire.BeginMessage(dst, fieldHistograms)
	dst = wire.AppendUint(dst, fieldHistogramCount, h.Count)
	dst = wire.AppendDouble(dst, fieldHistogramSum, h.Sum)
	dst = wire.AppendSint(dst, fieldHistogramSchema, h.Schema)
	dst = wire.AppendDouble(dst, fieldHistogramZeroThreshold, h.ZeroThreshold)
	dst = wire.AppendUint(dst, fieldHistogramZeroCount, h.ZeroCount)
	dst = appendSpans(dst, fieldHistogramNegativeSpans, h.NegativeSpans)
	dst = appendDeltas(dst, fieldHistogramNegativeDeltas, h.NegativeDeltas)
	dst = appendSpans(dst, fieldHistogramPositiveSpans, h.PositiveSpans)
	dst = appendDeltas(dst, fieldHistogramPositiveDeltas, h.PositiveDeltas)
	dst = wire.AppendUint(dst, fieldHistogramTime, uint64(time))
	return wire.EndMessage(dst, mark)
}

func appendSpans(dst []byte, field int, spans []prom.Span) []byte {
	for _, s := range spans {
		var mark int
		dst, mark = wire.BeginMessage(dst, field)
		dst = wire.AppendSint(dst, fieldSpanOffset, s.Offset)
		dst = wire.AppendUint(dst, fieldSpanLength, uint64(s.Length))
		dst = wire.EndMessage(dst, mark)
	}
	return dst
}

func appendDeltas(dst []byte, field int, deltas []int64) []byte {
	if len(deltas) == 0 {
		return dst
	}
	dst, mark := wire.BeginMessage(dst, field)
	for _, d := range deltas {
		dst = wire.AppendVarint(dst, uint64(d<<1)^uint64(d>>63))
	}
	return wire.EndMessage(dst, mark)
}

// metadataTypes are MetricMetadata.MetricType values; missing ones are UNKNOWN.
var metadataTypes = map[string]uint64{
	"counter": 1, "gauge": 2, "histogram": 3, "gaugehistogram": 4, "summary": 5, "info": 6, "stateset": 7,
}

func appendMetadata(dst []byte, f *prom.Family) []byte {
	dst, mark := wire.BeginMessage(dst, fieldMetadata)
	dst = wire.AppendUint(dst, fieldMetadataType, metadataTypes[f.Type])
	dst = wire.AppendString(dst, fieldMetadataFamily, f.Name)
	dst = wire.AppendString(dst, fieldMetadataHelp, f.Help)
	dst = wire.AppendString(dst, fieldMetadataUnit, f.Unit)
	return wire.EndMessage(dst, mark)
}
