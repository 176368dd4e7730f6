package tempo

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// A jsonWriter writes OTLP in protobuf's JSON mapping, as Tempo does: ids and bytes in base64 (OTLP's own JSON has
// hex, but Grafana and other Tempo clients expect base64), 64-bit numbers as strings, enums by name, no default
// values.
type jsonWriter struct {
	b     []byte
	comma bool // something stands before in the same object or array
}

func (w *jsonWriter) open(c byte) {
	w.separate()
	w.b = append(w.b, c)
	w.comma = false
}

func (w *jsonWriter) close(c byte) {
	w.b = append(w.b, c)
	w.comma = true
}

func (w *jsonWriter) separate() {
	if w.comma {
		w.b = append(w.b, ',')
	}
}

func (w *jsonWriter) key(name string) {
	w.separate()
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
	w.comma = false
}

// raw writes JSON.
func (w *jsonWriter) raw(s string) {
	w.b = append(w.b, s...)
	w.comma = true
}

func (w *jsonWriter) text(name string, s []byte) {
	if len(s) > 0 {
		w.key(name)
		w.quoted(s)
	}
}

func (w *jsonWriter) bytes(name string, b []byte) {
	if len(b) > 0 {
		w.key(name)
		w.base64(b)
	}
}

func (w *jsonWriter) number(name string, n uint32) {
	if n != 0 {
		w.key(name)
		w.b = strconv.AppendUint(w.b, uint64(n), 10)
		w.comma = true
	}
}

func (w *jsonWriter) time(name string, n uint64) {
	if n != 0 {
		w.key(name)
		w.b = append(strconv.AppendUint(append(w.b, '"'), n, 10), '"')
		w.comma = true
	}
}

// enum writes the name, or the number if it has none.
func (w *jsonWriter) enum(name string, n int32, names []string) {
	switch {
	case n == 0:
	case n > 0 && int(n) < len(names):
		w.key(name)
		w.raw(`"` + names[n] + `"`)
	default:
		w.key(name)
		w.raw(strconv.Itoa(int(n)))
	}
}

func (w *jsonWriter) base64(b []byte) {
	w.b = append(w.b, '"')
	w.b = base64.StdEncoding.AppendEncode(w.b, b)
	w.b = append(w.b, '"')
	w.comma = true
}

// quoted writes a string. wire.Check has repaired invalid UTF-8.
func (w *jsonWriter) quoted(s []byte) {
	const hexDigits = "0123456789abcdef"
	w.b = append(w.b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			if r == utf8.RuneError && n == 1 {
				w.b = append(append(w.b, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		i++
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.b = append(w.b, s[from:i-1]...)
		from = i
		switch c {
		case '"', '\\':
			w.b = append(w.b, '\\', c)
		case '\n':
			w.b = append(w.b, '\\', 'n')
		case '\t':
			w.b = append(w.b, '\\', 't')
		default:
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	w.b = append(append(w.b, s[from:]...), '"')
	w.comma = true
}

func (w *jsonWriter) stringValue(s string) {
	w.open('{')
	w.key("stringValue")
	w.quoted([]byte(s))
	w.close('}')
}

func (w *jsonWriter) anyValue(v wire.Value) {
	w.open('{')
	switch v.Kind() {
	case wire.ValueString:
		w.key("stringValue")
		w.quoted(v.Str())
	case wire.ValueBool:
		w.key("boolValue")
		w.raw(strconv.FormatBool(v.Bool()))
	case wire.ValueInt:
		w.key("intValue")
		w.raw(`"` + strconv.FormatInt(v.Int(), 10) + `"`)
	case wire.ValueDouble:
		w.key("doubleValue")
		w.double(v.Double())
	case wire.ValueBytes:
		w.key("bytesValue")
		w.base64(v.Bytes())
	case wire.ValueArray:
		w.key("arrayValue")
		w.open('{')
		w.key("values")
		w.open('[')
		for c := v.Array(); c.Next(); {
			w.anyValue(c.Value())
		}
		w.close(']')
		w.close('}')
	case wire.ValueMap:
		w.key("kvlistValue")
		w.open('{')
		w.key("values")
		w.keyValues(v.Map())
		w.close('}')
	}
	w.close('}')
}

// double writes floats that JSON lacks as strings.
func (w *jsonWriter) double(f float64) {
	switch {
	case math.IsNaN(f):
		w.raw(`"NaN"`)
	case math.IsInf(f, 1):
		w.raw(`"Infinity"`)
	case math.IsInf(f, -1):
		w.raw(`"-Infinity"`)
	default:
		w.raw(strconv.FormatFloat(f, 'g', -1, 64))
	}
}

func (w *jsonWriter) attributes(c wire.Attributes) {
	if first := c; first.Next() {
		w.key("attributes")
		w.keyValues(c)
	}
}

func (w *jsonWriter) keyValues(c wire.Attributes) {
	w.open('[')
	for c.Next() {
		w.open('{')
		w.text("key", c.Key())
		w.key("value")
		w.anyValue(c.Value())
		w.close('}')
	}
	w.close(']')
}
