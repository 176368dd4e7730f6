package ottl

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

func split(c call) getter {
	x, y := c.args[0].expression, c.args[1].expression
	return func(r *record) (value, error) {
		s, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		d, err := y.str(r)
		if err != nil {
			return value{}, err
		}
		mark, out := len(r.arena), r.arena
		for _, part := range bytes.Split(s, d) {
			var element int
			out, element = wire.BeginMessage(out, wire.FieldArrayValues)
			out = wire.EndMessage(wire.AppendBytes(out, wire.FieldValueString, part), element)
		}
		return value{b: r.keep(out, mark), kind: kindSlice}, nil
	}
}

var (
	errStart  = errors.New("Substring: the start cannot be negative")
	errLength = errors.New("Substring: the length must be over 0")
	errRange  = errors.New("Substring: start and length go over the end of the text")
)

func substring(c call) getter {
	x, from, count, safe := c.args[0].expression, c.args[1].expression, c.args[2].expression, c.args[3].flag
	return func(r *record) (value, error) {
		start, err := from.integer(r)
		if err != nil {
			return value{}, err
		}
		if start < 0 {
			return value{}, errStart
		}
		n, err := count.integer(r)
		if err != nil {
			return value{}, err
		}
		if n <= 0 {
			return value{}, errLength
		}
		s, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		if start > int64(len(s)) || n > int64(len(s))-start {
			return value{}, errRange
		}
		a, b := int(start), int(start+n)
		if safe {
			for a < len(s) && !utf8.RuneStart(s[a]) {
				a++
			}
			for a < b && b < len(s) && !utf8.RuneStart(s[b]) {
				b--
			}
			b = max(a, b)
		}
		mark := len(r.arena)
		return textValue(r.keep(appendValid(r.arena, s[a:b]), mark)), nil
	}
}

func trim(c call) getter {
	x, what := c.args[0].expression, " "
	if c.args[1].given {
		what = c.args[1].text
	}
	return func(r *record) (value, error) {
		b, err := x.str(r)
		return textValue(bytes.Trim(b, what)), err
	}
}

func format(c call) getter {
	layout, list := c.args[0].text, c.args[1].list
	return func(r *record) (value, error) {
		values := make([]any, len(list))
		for i, x := range list {
			v, err := x.get(r)
			if err != nil {
				return value{}, err
			}
			switch v.kind {
			case kindString:
				values[i] = string(v.b)
			case kindBool:
				values[i] = v.bool()
			case kindInt:
				values[i] = v.int()
			case kindDouble:
				values[i] = v.double()
			case kindBytes:
				values[i] = v.b
			case kindTime:
				values[i] = v.time()
			case kindDuration:
				values[i] = time.Duration(v.n)
			case kindNil:
			default:
				b, _, err := r.text(v)
				if err != nil {
					return value{}, err
				}
				values[i] = string(b)
			}
		}
		return textValue([]byte(strings.ToValidUTF8(fmt.Sprintf(layout, values...), "\uFFFD"))), nil
	}
}

func hashed(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		sum := sha256.Sum256(b)
		mark := len(r.arena)
		return textValue(r.keep(appendHex(r.arena, sum[:]), mark)), nil
	}
}

func convertCase(c call) getter {
	x, to := c.args[0].expression, c.args[1].text
	switch to {
	case "lower":
		return mapped(lowered)(c)
	case "upper":
		return mapped(uppered)(c)
	case "snake", "camel":
		c.fault(c.args[1].at, "the case %s is not supported; lower and upper are", to)
	default:
		c.fault(c.args[1].at, "the case is %q; write lower or upper", to)
	}
	return x.get
}

func lowered(b []byte) []byte { return []byte(strings.ToLower(string(b))) }
func uppered(b []byte) []byte { return []byte(strings.ToUpper(string(b))) }
