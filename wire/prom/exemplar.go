package prom

import (
	"encoding/hex"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// maxExemplarRunes is OpenMetrics' limit for the labels of an exemplar.
const maxExemplarRunes = 128

const (
	traceLabel = "trace_id"
	spanLabel  = "span_id"
)

type exemplars struct {
	list   []Exemplar
	bucket []Exemplar
	bytes  []byte
}

func (e *exemplars) reset() {
	e.list, e.bytes = e.list[:0], e.bytes[:0]
}

// between returns the exemplars of the bucket (low, high]. The +Inf bucket takes what fits nowhere else.
func (e *exemplars) between(low, high float64) []Exemplar {
	e.bucket = e.bucket[:0]
	for _, x := range e.list {
		if !(x.Value <= low) && (x.Value <= high || math.IsInf(high, 1)) {
			e.bucket = append(e.bucket, x)
		}
	}
	return e.bucket
}

// readExemplars reads the exemplars of a point. Those without a value are skipped; those without a time get the
// point's.
func (t *Translator) readExemplars(from wire.Exemplars) {
	t.exemplars.reset()
	for from.Next() {
		x := from.Exemplar()
		if !x.HasValue {
			continue
		}
		at := t.sample.Time
		if x.Time != 0 {
			at = int64(x.Time) / int64(time.Millisecond)
		}
		begin := len(t.exemplars.bytes)
		t.exemplars.bytes = t.exemplarLabels(&x).appendTo(t.exemplars.bytes)
		end := len(t.exemplars.bytes)
		t.exemplars.list = append(t.exemplars.list, Exemplar{
			Labels: t.exemplars.bytes[begin:end:end], Value: x.Value(), Time: at,
		})
	}
	slices.SortStableFunc(t.exemplars.list, func(a, b Exemplar) int { return int(a.Time - b.Time) })
}

// exemplarLabels builds the labels of an exemplar: the trace, and the filtered attributes unless too long.
func (t *Translator) exemplarLabels(x *wire.Exemplar) labelSet {
	t.collect(x.Attributes())
	t.set = t.set[:0]
	if id := x.TraceID; !allZero(id) {
		t.set.set(traceLabel, hex.EncodeToString(id))
	}
	if id := x.SpanID; !allZero(id) {
		t.set.set(spanLabel, hex.EncodeToString(id))
	}
	runes := 0
	for _, p := range t.set {
		runes += utf8.RuneCountInString(p.name) + utf8.RuneCountInString(p.value)
	}
	for _, p := range t.attributes {
		runes += utf8.RuneCountInString(p.name) + utf8.RuneCountInString(p.value)
	}
	if runes <= maxExemplarRunes {
		for _, p := range t.attributes {
			if p.name != "" {
				t.set.set(p.name, p.value)
			}
		}
	}
	return t.set
}

func allZero(id []byte) bool {
	for _, b := range id {
		if b != 0 {
			return false
		}
	}
	return true
}
