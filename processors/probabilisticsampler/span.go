package probabilisticsampler

import (
	"strconv"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"

	"github.com/sluiceio/sluice/wire"
)

// spanPriority is the attribute by which a span asks to be kept (above 0) or not (0).
// https://github.com/opentracing/specification/blob/main/semantic_conventions.md
const spanPriority = "sampling.priority"

// span decides on a span.
func (r *run) span(x *wire.Item) {
	s := wire.ParseSpan(x.Bytes())
	it := item{span: true, id: traceID(s.TraceID)}
	var state sampling.W3CTraceState
	if len(s.TraceState) > 0 {
		var err error
		state, err = sampling.NewW3CTraceState(string(s.TraceState))
		it.broken = err != nil
		it.randomness, it.hasRand = state.OTelValue().RValueRandomness()
		it.threshold, it.hasThreshold = state.OTelValue().TValueThreshold()
	}
	threshold, rnd := r.sampler.decide(&it)
	if v, has := x.Attribute(spanPriority); has {
		switch asked := number(v); {
		case asked == 0:
			threshold = sampling.NeverSampleThreshold
		case asked > 0:
			threshold = sampling.AlwaysSampleThreshold
		}
	}
	if !threshold.ShouldSample(rnd) {
		x.Remove()
		if it.closed {
			r.closed++
		}
		return
	}
	if !it.writes {
		return
	}
	if len(s.TraceState) == 0 {
		r.text = r.appendState(r.text[:0], &it, threshold)
		r.frame = wire.AppendBytes(r.frame[:0], wire.FieldSpanTraceState, r.text)
		x.SetField(r.frame)
		return
	}
	otel := state.OTelValue()
	if it.newRand {
		otel.SetRValue(it.randomness)
	}
	if it.cleared {
		otel.ClearTValue()
	}
	_ = otel.UpdateTValueWithSampling(threshold) // a higher threshold stays
	var w strings.Builder
	if state.Serialize(&w) != nil || w.String() == string(s.TraceState) {
		return
	}
	r.text = wire.AppendString(r.text[:0], wire.FieldSpanTraceState, w.String())
	x.SetField(r.text)
}

// appendState appends the trace state of a span that has none.
func (r *run) appendState(dst []byte, it *item, threshold sampling.Threshold) []byte {
	dst = append(dst, "ot="...)
	if it.newRand {
		dst = append(appendRandomness(append(dst, "rv:"...), it.randomness), ';')
	}
	return append(append(dst, "th:"...), r.textOf(threshold)...)
}

// appendRandomness appends 14 hexadecimal digits.
func appendRandomness(dst []byte, rnd sampling.Randomness) []byte {
	for shift := 52; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[rnd.Unsigned()>>shift&15])
	}
	return dst
}

// textOf is a threshold's text; most are the same.
func (r *run) textOf(th sampling.Threshold) string {
	if th != r.threshold || r.thresholdText == "" {
		r.threshold, r.thresholdText = th, th.TValue()
	}
	return r.thresholdText
}

// number is what a priority says: below 0 for nothing.
func number(v wire.Value) float64 {
	switch v.Kind() {
	case wire.ValueInt:
		return float64(v.Int())
	case wire.ValueDouble:
		return v.Double()
	case wire.ValueString:
		if f, err := strconv.ParseFloat(string(v.Str()), 64); err == nil {
			return f
		}
	}
	return -1
}

// traceID is empty for an ID of zeros.
func traceID(id []byte) []byte {
	for _, b := range id {
		if b != 0 {
			return id
		}
	}
	return nil
}
