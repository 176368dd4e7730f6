package template

import (
	"strings"
	"unsafe"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/textparse"

	"github.com/sluiceio/sluice/wire"
)

// typeCode is a metric type, as in prometheus.type.
type typeCode uint8

const (
	typeNone typeCode = iota // no TYPE line
	typeUnknown
	typeCounter
	typeGauge
	typeHistogram
	typeGaugeHistogram
	typeSummary
	typeInfo
	typeStateset
)

var typeNames = [...]string{
	"unknown", "unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset",
}

func codeOf(t model.MetricType) typeCode {
	for i := typeUnknown; int(i) < len(typeNames); i++ {
		if typeNames[i] == string(t) {
			return i
		}
	}
	return typeUnknown
}

// preamble puts a parser into the state after a TYPE line. Only for two types does that matter: le and quantile are
// normalised.
func (c typeCode) preamble() string {
	switch c {
	case typeHistogram:
		return "# TYPE a histogram\n"
	case typeSummary:
		return "# TYPE a summary\n"
	}
	return ""
}

type family struct {
	code typeCode
	help string
	unit string
}

type role uint8

const (
	roleNumber role = iota // a number point under its own name
	roleCount
	roleSum
	roleBucket
	roleQuantile
)

var suffixes = [...]struct {
	text  string
	codes [2]typeCode
	role  role
}{
	{"_total", [2]typeCode{typeCounter}, roleNumber},
	{"_bucket", [2]typeCode{typeHistogram, typeGaugeHistogram}, roleBucket},
	{"_count", [2]typeCode{typeHistogram, typeSummary}, roleCount},
	{"_sum", [2]typeCode{typeHistogram, typeSummary}, roleSum},
	{"_gcount", [2]typeCode{typeGaugeHistogram}, roleNumber},
	{"_gsum", [2]typeCode{typeGaugeHistogram}, roleNumber},
	{"_info", [2]typeCode{typeInfo}, roleNumber},
}

type families map[string]family

func (w *walk) readFamilies(into families, lines []line) {
	clear(into)
	text := w.slow.text[:0]
	for i := range lines {
		if l := &lines[i]; l.kind == kindMeta {
			text = append(text, w.body[l.off:l.off+l.n]...)
		}
	}
	if w.t.format == formatOpenMetrics {
		text = append(text, "# EOF\n"...)
	} else {
		text = append(text, '\n')[:len(text)]
	}
	w.slow.text = text
	for p := w.newParser(text); ; {
		e, err := p.Next()
		if err != nil {
			return
		}
		into.read(p, e)
	}
}

// read takes a comment. It keeps views of the parser's text, which lives as long as the families.
func (f families) read(p textparse.Parser, e textparse.Entry) {
	switch e {
	case textparse.EntryType:
		name, mt := p.Type()
		at := f[view(name)]
		at.code = codeOf(mt)
		f[view(name)] = at
	case textparse.EntryHelp:
		name, help := p.Help()
		at := f[view(name)]
		at.help = view(help)
		f[view(name)] = at
	case textparse.EntryUnit:
		name, unit := p.Unit()
		at := f[view(name)]
		at.unit = view(unit)
		f[view(name)] = at
	}
}

// of finds the family of a series, its name base, and the role.
func (f families) of(name string) (fam family, base string, r role) {
	if fam, ok := f[name]; ok {
		switch fam.code {
		case typeSummary:
			return fam, name, roleQuantile
		case typeHistogram, typeGaugeHistogram, typeInfo:
			// Lines of these have suffixes: this is another metric of that name.
			if fam.code != typeInfo {
				return family{}, name, roleNumber
			}
		}
		return fam, name, roleNumber
	}
	for _, s := range suffixes {
		base, found := strings.CutSuffix(name, s.text)
		if !found {
			continue
		}
		if fam, ok := f[base]; ok && (fam.code == s.codes[0] || fam.code == s.codes[1] && fam.code != typeNone) {
			if fam.code == typeGaugeHistogram {
				return fam, base, roleNumber // OTLP has no such histogram
			}
			return fam, base, s.role
		}
	}
	return family{}, name, roleNumber
}

type shape uint8

const (
	shapeGauge     shape = iota
	shapeMonotonic       // Sum, cumulative and monotonic
	shapeSum             // Sum, cumulative
	shapeHistogram
	shapeSummary
)

// shapeOf is the shape of number points. Buckets and counts of inexact histograms still only grow.
func shapeOf(c typeCode, r role) shape {
	switch {
	case c == typeCounter, r == roleBucket, r == roleCount:
		return shapeMonotonic
	case c == typeInfo, c == typeStateset, r == roleSum:
		return shapeSum
	}
	return shapeGauge
}

func (s shape) dataField() int {
	switch s {
	case shapeMonotonic, shapeSum:
		return wire.FieldMetricSum
	case shapeHistogram:
		return wire.FieldMetricHistogram
	case shapeSummary:
		return wire.FieldMetricSummary
	}
	return wire.FieldMetricGauge
}

func (s shape) dataHead() string {
	switch s {
	case shapeMonotonic:
		return "\x10\x02\x18\x01" // temporality cumulative, monotonic
	case shapeSum, shapeHistogram:
		return "\x10\x02"
	}
	return ""
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
