package probabilisticsampler

import (
	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"

	"github.com/sluiceio/sluice/wire"
)

// The attributes with a log record's sampling information.
const (
	logThreshold  = "sampling.threshold"
	logRandomness = "sampling.randomness"
)

// log decides on a log record.
func (r *run) log(x *wire.Item) {
	s := r.sampler
	var it item
	read := func(name string) string {
		if v, has := x.Attribute(name); has && v.Kind() == wire.ValueString {
			return string(v.Str())
		}
		return ""
	}
	if text := read(logThreshold); text != "" {
		th, err := sampling.TValueToThreshold(text)
		it.threshold, it.hasThreshold, it.broken = th, err == nil, err != nil
	}
	if text := read(logRandomness); text != "" {
		rnd, err := sampling.RValueToRandomness(text)
		it.randomness, it.hasRand, it.broken = rnd, err == nil, it.broken || err != nil
	}
	l := wire.ParseLog(x.Bytes())
	if s.mode != modeHash || s.byTraceID {
		it.id = traceID(l.TraceID)
	}
	if s.mode == modeHash && len(it.id) == 0 && s.attribute != "" {
		if v, has := x.Attribute(s.attribute); has {
			r.text = v.AppendText(r.text[:0])
			if it.id = r.text; v.Kind() == wire.ValueBytes {
				it.id = v.Bytes()
			}
		}
	}
	threshold, rnd := s.decide(&it)
	if s.priority != "" {
		if v, has := x.Attribute(s.priority); has && (v.Kind() == wire.ValueInt || v.Kind() == wire.ValueDouble) {
			if th, err := sampling.ProbabilityToThresholdWithPrecision(number(v)/100, s.precision); err == nil {
				threshold = th
			}
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
	if it.newRand {
		x.SetAttribute(logRandomness, wire.StringValue(appendRandomness(r.text[:0], it.randomness)))
	}
	if it.cleared {
		x.DeleteAttribute(logThreshold)
	}
	if !it.hasThreshold || !sampling.ThresholdLessThan(threshold, it.threshold) {
		x.SetAttribute(logThreshold, wire.StringValue(r.textOf(threshold)))
	}
}
