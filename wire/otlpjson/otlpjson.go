// Package otlpjson encodes OTLP requests as OTLP/JSON.
package otlpjson

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// Append appends a request as OTLP/JSON, byte for byte as pdata's marshaler: fields in the order of the tables,
// absent and zero ones omitted, 64-bit integers as strings, ids in hex. Unknown fields are omitted.
func Append(dst []byte, s wire.Signal, r wire.Request) []byte {
	return AppendPieces(dst, s, r, nil)
}

// PieceBytes is from what size on AppendPieces gives away what it has.
const PieceBytes = 4 << 20

// AppendPieces is Append for a text that may be too large for memory: an empty message of two bytes may become fifty. flush gets the
// text each time that dst has PieceBytes, between two elements of a list, and returns an empty slice to go on with; what is left is
// returned.
func AppendPieces(dst []byte, s wire.Signal, r wire.Request, flush func([]byte) []byte) []byte {
	e := encoder{flush}
	switch s {
	case wire.Metrics:
		return e.appendMessage(dst, metricsRequest, r)
	case wire.Logs:
		return e.appendMessage(dst, logsRequest, r)
	case wire.Traces:
		return e.appendMessage(dst, tracesRequest, r)
	}
	return append(dst, "{}"...)
}

// Size is how many bytes Append makes.
func Size(s wire.Signal, r wire.Request) (n int) {
	return len(AppendPieces(make([]byte, 0, PieceBytes+PieceBytes/4), s, r, func(b []byte) []byte {
		n += len(b)
		return b[:0]
	})) + n
}

type encoder struct{ flush func([]byte) []byte }

// appendMessage finds the present fields first, then looks each up.
func (e encoder) appendMessage(dst []byte, m message, body []byte) []byte {
	var present uint32
	for f := wire.MessageFields(body); f.Next(); {
		if n := f.Number(); n < 32 {
			present |= 1 << n
		}
	}
	dst = append(dst, '{')
	more := false
	for _, row := range messages[m] {
		if present&(1<<row.number) == 0 && row.when != always {
			continue
		}
		mark := len(dst)
		if more {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, row.name...)
		dst = append(dst, '"', ':')
		var written bool
		if dst, written = e.appendField(dst, row, body); !written {
			dst = dst[:mark] // nothing of it was flushed: a list with an element is written
		}
		more = more || written
	}
	return append(dst, '}')
}

// appendField writes the value of a row and reports whether there is one.
func (e encoder) appendField(dst []byte, row row, body []byte) (_ []byte, written bool) {
	many := row.when == repeated
	if many {
		dst = append(dst, '[')
	}
	for f := wire.MessageFields(body); f.Next(); {
		if f.Number() != row.number {
			continue
		}
		if !many {
			return e.appendValue(dst, row, payload(f.Framed()))
		}
		if written {
			dst = append(dst, ',')
		}
		dst, _ = e.appendValue(dst, row, payload(f.Framed()))
		written = true
		if e.flush != nil && len(dst) >= PieceBytes {
			dst = e.flush(dst)
		}
	}
	if many {
		return append(dst, ']'), written
	}
	return append(dst, "{}"...), true // a message that is written also when it is absent
}

// payload is a field without tag and length.
func payload(framed []byte) []byte {
	tag, n := binary.Uvarint(framed)
	framed = framed[n:]
	if tag&7 == wire.TypeBytes {
		_, n = binary.Uvarint(framed)
		framed = framed[n:]
	}
	return framed
}

// appendValue writes a value and reports whether to keep it: not if it is zero, unless the row says so.
func (e encoder) appendValue(dst []byte, row row, b []byte) (_ []byte, written bool) {
	keep := row.when != nonzero
	switch row.kind {
	case kindMessage:
		return e.appendMessage(dst, row.sub, b), true
	case kindString:
		return appendString(dst, b), keep || len(b) > 0
	case kindID:
		return appendID(dst, b), !zeros(b)
	case kindBytes:
		dst = base64.StdEncoding.AppendEncode(append(dst, '"'), b)
		return append(dst, '"'), true
	case kindDouble:
		f := math.Float64frombits(binary.LittleEndian.Uint64(b))
		return appendDouble(dst, f), keep || f != 0
	case kindFixed64:
		v := binary.LittleEndian.Uint64(b)
		return appendQuotedUint(dst, v), keep || v != 0
	case kindSfixed64:
		v := int64(binary.LittleEndian.Uint64(b))
		return appendQuotedInt(dst, v), keep || v != 0
	case kindFixed32:
		v := binary.LittleEndian.Uint32(b)
		return strconv.AppendUint(dst, uint64(v), 10), keep || v != 0
	case kindPackedFixed64, kindPackedDouble, kindPackedUint:
		return appendPacked(dst, row.kind, b), len(b) > 0
	}
	v, _ := binary.Uvarint(b)
	switch row.kind {
	case kindBool:
		return strconv.AppendBool(dst, v != 0), keep || v != 0
	case kindInt64:
		return appendQuotedInt(dst, int64(v)), keep || v != 0
	case kindUint32:
		return strconv.AppendUint(dst, uint64(uint32(v)), 10), keep || uint32(v) != 0
	case kindSint32:
		z := int32(uint32(v)>>1) ^ -int32(v&1)
		return strconv.AppendInt(dst, int64(z), 10), keep || z != 0
	}
	return strconv.AppendInt(dst, int64(int32(v)), 10), keep || int32(v) != 0
}

func appendPacked(dst []byte, k kind, b []byte) []byte {
	dst = append(dst, '[')
	for i := 0; len(b) > 0; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch k {
		case kindPackedUint:
			v, n := binary.Uvarint(b)
			dst, b = appendQuotedUint(dst, v), b[n:]
		case kindPackedDouble:
			dst, b = appendDouble(dst, math.Float64frombits(binary.LittleEndian.Uint64(b))), b[8:]
		default:
			dst, b = appendQuotedUint(dst, binary.LittleEndian.Uint64(b)), b[8:]
		}
	}
	return append(dst, ']')
}

func appendID(dst, id []byte) []byte {
	return append(hex.AppendEncode(append(dst, '"'), id), '"')
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func appendQuotedUint(dst []byte, v uint64) []byte {
	return append(strconv.AppendUint(append(dst, '"'), v, 10), '"')
}

func appendQuotedInt(dst []byte, v int64) []byte {
	return append(strconv.AppendInt(append(dst, '"'), v, 10), '"')
}

// appendDouble writes a number as JavaScript does, and NaN and infinities as strings.
func appendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

// appendString writes a JSON string. s is valid UTF-8 (wire.Check).
func appendString(dst, s []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' || c >= utf8.RuneSelf {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}
