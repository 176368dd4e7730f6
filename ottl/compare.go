package ottl

import (
	"bytes"
	"cmp"
)

type operator uint8

const (
	opEqual operator = iota
	opNotEqual
	opLess
	opLessEqual
	opGreater
	opGreaterEqual
)

var operators = map[string]operator{"==": opEqual, "!=": opNotEqual, "<": opLess, "<=": opLessEqual, ">": opGreater, ">=": opGreaterEqual}

// holds applies an operator to the result of a comparison.
func (o operator) holds(c int) bool {
	switch o {
	case opEqual:
		return c == 0
	case opNotEqual:
		return c != 0
	case opLess:
		return c < 0
	case opLessEqual:
		return c <= 0
	case opGreater:
		return c > 0
	}
	return c >= 0
}

// against compares with a literal. Whether something is a text is what most conditions ask.
func against(get getter, b value, o operator) condition {
	if b.kind != kindString || o > opNotEqual {
		return func(r *record) (bool, error) {
			a, err := get(r)
			return err == nil && compare(a, b, o), err
		}
	}
	text, equal := string(b.b), o == opEqual
	return func(r *record) (bool, error) {
		a, err := get(r)
		if err != nil {
			return false, err
		}
		return (a.kind == kindString && string(a.b) == text) == equal, nil
	}
}

// compare follows contrib's rules: numbers compare as numbers, other types only with their own, and everything else is
// unequal and neither less nor greater.
func compare(a, b value, o operator) bool {
	if a.kind != b.kind {
		switch {
		case a.kind == kindInt && b.kind == kindDouble:
			return compareDoubles(float64(a.int()), b.double(), o)
		case a.kind == kindDouble && b.kind == kindInt:
			return compareDoubles(a.double(), float64(b.int()), o)
		}
		return o == opNotEqual
	}
	switch a.kind {
	case kindNil:
		return o == opEqual || o == opLessEqual || o == opGreaterEqual
	case kindString, kindBytes:
		if o <= opNotEqual {
			return bytes.Equal(a.b, b.b) == (o == opEqual)
		}
		return o.holds(bytes.Compare(a.b, b.b))
	case kindBool, kindInt, kindTime, kindDuration:
		return o.holds(cmp.Compare(a.int(), b.int()))
	case kindDouble:
		return compareDoubles(a.double(), b.double(), o)
	case kindTraceID, kindSpanID:
		return o <= opNotEqual && bytes.Equal(a.b, b.b) == (o == opEqual)
	}
	return o <= opNotEqual && equal(a, b) == (o == opEqual)
}

// compareDoubles is unlike cmp.Compare for NaN, which is not equal to itself.
func compareDoubles(a, b float64, o operator) bool {
	switch o {
	case opEqual:
		return a == b
	case opNotEqual:
		return a != b
	case opLess:
		return a < b
	case opLessEqual:
		return a <= b
	case opGreater:
		return a > b
	}
	return a >= b
}

// equal compares values in depth; the order of a map's entries does not matter.
func equal(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case kindMap:
		if a.len() != b.len() {
			return false
		}
		for c := a.entries(); c.Next(); {
			other, ok := b.get(c.Key())
			if !ok || !equal(fromWire(c.Value()), fromWire(other)) {
				return false
			}
		}
		return true
	case kindSlice:
		x, y := a.elements(), b.elements()
		for x.Next() {
			if !y.Next() || !equal(fromWire(x.Value()), fromWire(y.Value())) {
				return false
			}
		}
		return !y.Next()
	case kindDouble:
		return a.double() == b.double()
	case kindString, kindBytes, kindTraceID, kindSpanID:
		return bytes.Equal(a.b, b.b)
	}
	return a.n == b.n
}
