package template

import (
	"bytes"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"unsafe"

	"github.com/prometheus/prometheus/model/value"
)

var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// parseValue reads the number at the start of b. It returns its float64 bits and length; 0 if Prometheus would not
// accept it.
//
// Most numbers are at most 2^53 times a small power of ten: both are exact, and one operation rounds correctly
// (Clinger's fast path). Up to 19 digits take one integer division. The rest goes to strconv.
func parseValue(b []byte) (number uint64, n int) {
	i := 0
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i = 1
	}
	begin := i
	var mantissa uint64
	for i < len(b) {
		c := b[i] - '0'
		if c > 9 {
			break
		}
		mantissa = mantissa*10 + uint64(c)
		i++
	}
	digits, exp := i-begin, 0
	if i < len(b) && b[i] == '.' {
		i++
		point := i
		for i < len(b) {
			c := b[i] - '0'
			if c > 9 {
				break
			}
			mantissa = mantissa*10 + uint64(c)
			i++
		}
		exp = point - i
		digits += i - point
	}
	if i+3 < len(b) && b[i]|0x20 == 'e' {
		// strconv's exponents have a sign and two digits.
		e, sign := int(b[i+2]-'0')*10+int(b[i+3]-'0'), b[i+1]
		switch {
		case b[i+2]-'0' > 9 || b[i+3]-'0' > 9:
			return parseSlow(b)
		case sign == '+':
			exp += e
		case sign == '-':
			exp -= e
		default:
			return parseSlow(b)
		}
		i += 4
	}
	if digits == 0 || digits > 19 || i < len(b) && b[i] > ' ' {
		return parseSlow(b)
	}
	f := float64(mantissa) // the nearest one, whatever the mantissa
	switch {
	case exp == 0:
	case exp < 0 && exp >= -22 && mantissa <= 1<<53:
		f /= pow10[-exp]
	case exp < 0 && exp >= -19:
		f = quotient(mantissa, tenTo[-exp])
	case exp > 0 && exp <= 22 && mantissa <= 1<<53:
		f *= pow10[exp]
	default:
		return parseSlow(b)
	}
	if negative {
		f = -f
	}
	return math.Float64bits(f), i
}

var tenTo = [...]uint64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
}

// quotient is the float64 nearest to m/d, for d other than 0 and a normal result.
//
// Both are shifted to the highest bit, so the quotient has at least 63 bits, ten more than a float64. A remainder
// sets the lowest bit, which only decides ties.
func quotient(m, d uint64) float64 {
	if m == 0 {
		return 0
	}
	s, t := bits.LeadingZeros64(m), bits.LeadingZeros64(d)
	m <<= s
	q, rest := bits.Div64(m>>1, m<<63, d<<t)
	if rest != 0 {
		q |= 1
	}
	return float64(q) * math.Float64frombits(uint64(1023+t-s-63)<<52)
}

// parseSlow reads NaN, infinities, long mantissas and large exponents.
func parseSlow(b []byte) (number uint64, n int) {
	n = bytes.IndexAny(b, " \t\n")
	if n < 0 {
		n = len(b)
	}
	s := unsafe.String(unsafe.SliceData(b), n)
	if strings.ContainsAny(s, "pP_") { // Prometheus keeps to the forms of Go before 1.13
		return 0, 0
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, 0
	}
	if f != f {
		return value.NormalNaN, n
	}
	return math.Float64bits(f), n
}

// tail reads what follows a value at b[i]: nothing, or a timestamp in ms. end is the index after the newline, 0 if
// the parser must decide.
func tail(b []byte, i int, f format) (end int, ms int64, stamped bool) {
	if f == formatOpenMetrics {
		return tailOpenMetrics(b, i)
	}
	i = skipBlanks(b, i)
	begin := i
	for i < len(b) && b[i]-'0' <= 9 {
		ms = ms*10 + int64(b[i]-'0')
		i++
	}
	if i-begin > 18 {
		return 0, 0, false
	}
	stamped = i > begin
	i = skipBlanks(b, i)
	if i >= len(b) || b[i] != '\n' {
		return 0, 0, false
	}
	return i + 1, ms, stamped
}

func tailOpenMetrics(b []byte, i int) (end int, ms int64, stamped bool) {
	if i < len(b) && b[i] == '\n' {
		return i + 1, 0, false
	}
	if i+1 >= len(b) || b[i] != ' ' {
		return 0, 0, false
	}
	number, n := parseValue(b[i+1:])
	i += 1 + n
	if n == 0 || i >= len(b) || b[i] != '\n' {
		return 0, 0, false
	}
	seconds := math.Float64frombits(number)
	if seconds != seconds || math.IsInf(seconds, 0) {
		return 0, 0, false
	}
	return i + 1, int64(seconds * 1000), true
}
