package prometheus

import (
	"math"
	"strconv"
	"strings"
)

// A format writes families one after the other.
type format interface {
	contentType() string
	family(dst []byte, t *table, f *family) []byte
	end(dst []byte) []byte
}

// textFormat is the exposition format 0.0.4.
type textFormat struct{ times bool }

func (textFormat) contentType() string { return "text/plain; version=0.0.4; charset=utf-8" }

func (textFormat) end(dst []byte) []byte { return dst }

func (o textFormat) family(dst []byte, t *table, f *family) []byte {
	typ := f.typ
	switch typ {
	case "unknown", "":
		typ = "untyped"
	case "info", "stateset":
		typ = "gauge"
	case "gaugehistogram":
		typ = "histogram"
	}
	dst = comment(dst, "HELP", f.name, f.help, false)
	dst = comment(dst, "TYPE", f.name, typ, false)
	for _, i := range f.members {
		k := &t.series[i]
		if k.native != nil {
			dst = o.native(dst, k)
			continue
		}
		dst = append(dst, k.head...)
		dst = append(dst, ' ')
		dst = appendFloat(dst, k.value)
		dst = o.time(dst, k.time)
	}
	return dst
}

func (o textFormat) time(dst []byte, ms int64) []byte {
	if o.times {
		dst = append(dst, ' ')
		dst = strconv.AppendInt(dst, ms, 10)
	}
	return append(dst, '\n')
}

// native writes what text can say of a native histogram: that it has one bucket.
func (o textFormat) native(dst []byte, k *series) []byte {
	for _, line := range nativeLines(k) {
		dst = append(dst, line.head...)
		dst = append(dst, ' ')
		dst = appendFloat(dst, line.value)
		dst = o.time(dst, k.time)
	}
	return dst
}

type line struct {
	head  string
	value float64
}

func nativeLines(k *series) [3]line {
	name, labels := k.head, ""
	if at := strings.IndexByte(k.head, '{'); at >= 0 {
		name, labels = k.head[:at], k.head[at:]
	}
	bucket := `{le="+Inf"}`
	if labels != "" {
		bucket = labels[:len(labels)-1] + `,le="+Inf"}`
	}
	count := float64(k.native.Count)
	return [3]line{{name + "_bucket" + bucket, count}, {name + "_sum" + labels, k.native.Sum}, {name + "_count" + labels, count}}
}

// openMetrics is OpenMetrics 1.0.0 (https://prometheus.io/docs/specs/om/open_metrics_spec/).
type openMetrics struct{ times bool }

func (openMetrics) contentType() string {
	return "application/openmetrics-text; version=1.0.0; charset=utf-8"
}

func (openMetrics) end(dst []byte) []byte { return append(dst, "# EOF\n"...) }

func (o openMetrics) family(dst []byte, t *table, f *family) []byte {
	name, typ := t.openMetrics(f)
	dst = comment(dst, "HELP", name, f.help, true)
	dst = comment(dst, "TYPE", name, typ, true)
	if f.unit != "" && strings.HasSuffix(name, "_"+f.unit) {
		dst = comment(dst, "UNIT", name, f.unit, true)
	}
	for _, i := range f.members {
		k := &t.series[i]
		if k.native != nil {
			for _, l := range nativeLines(k) {
				dst = append(append(dst, l.head...), ' ')
				dst = o.time(appendFloat(dst, l.value), k.time)
				dst = append(dst, '\n')
			}
			continue
		}
		dst = append(append(dst, k.head...), ' ')
		dst = o.time(appendFloat(dst, k.value), k.time)
		if k.exemplar != nil && (typ == "counter" || k.suffix == "_bucket") {
			dst = append(dst, " # "...)
			dst = append(dst, orEmpty(k.exemplar.labels)...)
			dst = append(dst, ' ')
			dst = appendFloat(dst, k.exemplar.value)
			dst = append(dst, ' ')
			dst = appendSeconds(dst, k.exemplar.time)
		}
		dst = append(dst, '\n')
	}
	return dst
}

// openMetrics is the name and type of a family in OpenMetrics, where counters and infos are named without their suffix. If it has
// none, or another family has that name, it is of a type without suffix: a name may stand there once.
func (t *table) openMetrics(f *family) (name, typ string) {
	suffix, plain := "", f.typ
	switch f.typ {
	case "counter":
		suffix, plain = "_total", "unknown"
	case "info":
		suffix, plain = "_info", "gauge"
	case "":
		plain = "unknown"
	}
	key, has := strings.CutSuffix(f.key, suffix)
	if suffix == "" || !has || t.families[key] != nil {
		return f.name, plain
	}
	if rival := t.families[key+"_total"]; f.typ == "info" && rival != nil && rival.typ == "counter" {
		return f.name, plain
	}
	return strings.TrimSuffix(f.name, suffix), f.typ
}

func orEmpty(labels string) string {
	if labels == "" {
		return "{}"
	}
	return labels
}

func (o openMetrics) time(dst []byte, ms int64) []byte {
	if o.times {
		dst = appendSeconds(append(dst, ' '), ms)
	}
	return dst
}

func appendSeconds(dst []byte, ms int64) []byte {
	return strconv.AppendFloat(dst, float64(ms)/1e3, 'f', 3, 64)
}

func comment(dst []byte, what, name, text string, quotes bool) []byte {
	if text == "" && what == "HELP" {
		return dst
	}
	dst = append(dst, "# "...)
	dst = append(dst, what...)
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, ' ')
	dst = appendEscaped(dst, []byte(text), quotes)
	return append(dst, '\n')
}

func appendFloat(dst []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(dst, "+Inf"...)
	case math.IsInf(v, -1):
		return append(dst, "-Inf"...)
	case v != v:
		return append(dst, "NaN"...)
	case v == math.Trunc(v) && math.Abs(v) < 1e15 && (v != 0 || !math.Signbit(v)):
		return strconv.AppendInt(dst, int64(v), 10)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, 64)
}
