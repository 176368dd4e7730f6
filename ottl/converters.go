package ottl

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/wire"
)

// converters are the functions that give a value.
var converters = map[string]function{
	"IsMatch":         {params: []parameter{p("target", argLike), p("pattern", argString)}, conv: isMatch},
	"HasPrefix":       {params: []parameter{p("target", argString), p("prefix", argString)}, conv: ofTexts(bytes.HasPrefix)},
	"HasSuffix":       {params: []parameter{p("target", argString), p("suffix", argString)}, conv: ofTexts(bytes.HasSuffix)},
	"IsString":        {params: []parameter{p("target", argAny)}, conv: isKind(kindString)},
	"IsInt":           {params: []parameter{p("target", argAny)}, conv: isKind(kindInt)},
	"IsDouble":        {params: []parameter{p("target", argAny)}, conv: isKind(kindDouble)},
	"IsBool":          {params: []parameter{p("target", argAny)}, conv: isKind(kindBool)},
	"IsMap":           {params: []parameter{p("target", argAny)}, conv: isKind(kindMap)},
	"IsList":          {params: []parameter{p("target", argAny)}, conv: isKind(kindSlice)},
	"IsEmpty":         {params: []parameter{p("target", argAny)}, conv: isEmpty},
	"IsRootSpan":      {conv: isRootSpan},
	"Coalesce":        {params: []parameter{p("values", argList)}, conv: coalesce},
	"Len":             {params: []parameter{p("target", argAny)}, conv: length},
	"Concat":          {params: []parameter{p("vals", argLikes), p("delimiter", argString)}, conv: concat},
	"Int":             {params: []parameter{p("target", argAny)}, conv: toInt},
	"Double":          {params: []parameter{p("target", argAny)}, conv: toDouble},
	"String":          {params: []parameter{p("target", argLike)}, conv: toText},
	"ToLowerCase":     {params: []parameter{p("target", argString)}, conv: mapped(lowered)},
	"ToUpperCase":     {params: []parameter{p("target", argString)}, conv: mapped(uppered)},
	"ConvertCase":     {params: []parameter{p("target", argString), p("to_case", argText)}, conv: convertCase},
	"Split":           {params: []parameter{p("target", argString), p("delimiter", argString)}, conv: split},
	"Substring":       {params: []parameter{p("target", argString), p("start", argInt), p("length", argInt), opt("utf8_safe", argFlag)}, conv: substring},
	"Trim":            {params: []parameter{p("target", argString), opt("replacement", argText)}, conv: trim},
	"TrimPrefix":      {params: []parameter{p("target", argString), p("prefix", argString)}, conv: cut(bytes.TrimPrefix)},
	"TrimSuffix":      {params: []parameter{p("target", argString), p("suffix", argString)}, conv: cut(bytes.TrimSuffix)},
	"Format":          {params: []parameter{p("format", argText), p("vals", argList)}, conv: format},
	"SHA256":          {params: []parameter{p("target", argString)}, conv: hashed},
	"ParseJSON":       {params: []parameter{p("target", argString)}, conv: parseJSON},
	"ParseKeyValue":   {params: []parameter{p("target", argString), opt("delimiter", argText), opt("pair_delimiter", argText)}, conv: parseKeyValue},
	"ExtractPatterns": {params: []parameter{p("target", argString), p("pattern", argString)}, conv: extractPatterns},
	"Now":             {conv: func(call) getter { return func(*record) (value, error) { return timeValue(now()), nil } }},
	"Unix":            {params: []parameter{p("seconds", argInt), opt("nanoseconds", argInt)}, conv: unix},
	"UnixNano":        {params: []parameter{p("time", argTime)}, conv: since(1)},
	"UnixMicro":       {params: []parameter{p("time", argTime)}, conv: since(1e3)},
	"UnixMilli":       {params: []parameter{p("time", argTime)}, conv: since(1e6)},
	"UnixSeconds":     {params: []parameter{p("time", argTime)}, conv: since(1e9)},
	"Time":            {params: []parameter{p("time", argString), p("format", argText), opt("location", argText), opt("locale", argNone)}, conv: parseTime},
	"FormatTime":      {params: []parameter{p("time", argTime), p("format", argText)}, conv: formatTime},
	"Duration":        {params: []parameter{p("duration", argString)}, conv: duration},
	"Nanoseconds":     {params: []parameter{p("duration", argAny)}, conv: inWhole(1)},
	"Microseconds":    {params: []parameter{p("duration", argAny)}, conv: inWhole(time.Microsecond)},
	"Milliseconds":    {params: []parameter{p("duration", argAny)}, conv: inWhole(time.Millisecond)},
	"Seconds":         {params: []parameter{p("duration", argAny)}, conv: inDoubles(time.Second)},
	"Minutes":         {params: []parameter{p("duration", argAny)}, conv: inDoubles(time.Minute)},
	"Hours":           {params: []parameter{p("duration", argAny)}, conv: inDoubles(time.Hour)},
	"TraceID":         {params: []parameter{p("bytes", argAny)}, conv: idOf(kindTraceID)},
	"SpanID":          {params: []parameter{p("bytes", argAny)}, conv: idOf(kindSpanID)},
}

func isMatch(c call) getter {
	x, of := c.args[0].expression, c.pattern(c.args[1], asItIs)
	return func(r *record) (value, error) {
		re, err := of.of(r)
		if err != nil {
			return value{}, err
		}
		v, err := x.get(r)
		if err != nil {
			return value{}, err
		}
		b, ok, err := r.text(v)
		return boolValue(ok && re.Match(b)), err
	}
}

func ofTexts(f func(a, b []byte) bool) func(call) getter {
	return func(c call) getter {
		x, y := c.args[0].expression, c.args[1].expression
		return func(r *record) (value, error) {
			a, err := x.str(r)
			if err != nil {
				return value{}, err
			}
			b, err := y.str(r)
			return boolValue(f(a, b)), err
		}
	}
}

func cut(f func(a, b []byte) []byte) func(call) getter {
	return func(c call) getter {
		x, y := c.args[0].expression, c.args[1].expression
		return func(r *record) (value, error) {
			a, err := x.str(r)
			if err != nil {
				return value{}, err
			}
			b, err := y.str(r)
			return textValue(f(a, b)), err
		}
	}
}

func mapped(f func([]byte) []byte) func(call) getter {
	return func(c call) getter {
		x := c.args[0].expression
		return func(r *record) (value, error) {
			b, err := x.str(r)
			return textValue(f(b)), err
		}
	}
}

func isKind(k kind) func(call) getter {
	return func(c call) getter {
		x := c.args[0].expression
		return func(r *record) (value, error) {
			v, err := x.get(r)
			return boolValue(v.kind == k && err == nil), err
		}
	}
}

// isEmpty says of numbers and bools whether they are zero, as contrib.
func isEmpty(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		v, err := x.get(r)
		switch v.kind {
		case kindString, kindBytes:
			return boolValue(len(v.b) == 0), err
		case kindMap, kindSlice:
			return boolValue(v.len() == 0), err
		case kindTraceID, kindSpanID:
			return boolValue(string(v.b) == string(noID[:len(v.b)])), err
		case kindTime:
			return boolValue(false), err
		}
		return boolValue(v.n == 0 && err == nil), err
	}
}

func isRootSpan(c call) getter {
	if c.context != Span {
		c.fault(c.at, "IsRootSpan is for the context span")
	}
	return func(r *record) (value, error) {
		parent := r.bytes(slotItem, wire.FieldSpanParentSpanID)
		return boolValue(len(parent) != 8 || string(parent) == string(noID[:8])), nil
	}
}

func coalesce(c call) getter {
	list := c.args[0].list
	return func(r *record) (value, error) {
		for _, x := range list {
			if v, err := x.get(r); err != nil || v.kind != kindNil {
				return v, err
			}
		}
		return value{}, nil
	}
}

var errLen = errors.New("Len takes a string, bytes, a map or a list")

func length(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err != nil {
			return value{}, err
		}
		switch v.kind {
		case kindString, kindBytes:
			return intValue(int64(len(v.b))), nil
		case kindMap, kindSlice:
			return intValue(int64(v.len())), nil
		}
		return value{}, errLen
	}
}

func concat(c call) getter {
	parts, delimiter := c.args[0].list, c.args[1].expression
	return func(r *record) (value, error) {
		d, err := delimiter.str(r)
		if err != nil {
			return value{}, err
		}
		r.joined = r.joined[:0]
		for i, x := range parts {
			v, err := x.get(r)
			if err != nil {
				return value{}, err
			}
			b, ok, err := r.text(v)
			if err != nil {
				return value{}, err
			}
			if i > 0 {
				r.joined = append(r.joined, d)
			}
			if !ok {
				b = nilText
			}
			r.joined = append(r.joined, b)
		}
		mark, out := len(r.arena), r.arena
		for _, b := range r.joined {
			out = append(out, b...)
		}
		return textValue(r.keep(out, mark)), nil
	}
}

var nilText = []byte("<nil>")

var (
	errNotNumber = errors.New("a number is made of an integer, a double, a bool or a string")
	errNotDouble = errors.New("the text is no number, or too large for a double")
)

func toInt(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err != nil {
			return value{}, err
		}
		switch v.kind {
		case kindNil, kindInt:
			return v, nil
		case kindBool:
			return intValue(int64(v.n)), nil
		case kindDouble:
			return intValue(int64(v.double())), nil
		case kindString:
			n, err := strconv.ParseInt(string(v.b), 10, 64)
			if err != nil {
				return value{}, nil // contrib gives nil for text that is no number
			}
			return intValue(n), nil
		}
		return value{}, errNotNumber
	}
}

func toDouble(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err != nil {
			return value{}, err
		}
		switch v.kind {
		case kindNil, kindDouble:
			return v, nil
		case kindInt:
			return doubleValue(float64(v.int())), nil
		case kindBool:
			return doubleValue(float64(v.n)), nil
		case kindString:
			f, err := strconv.ParseFloat(string(v.b), 64)
			if err != nil {
				return value{}, errNotDouble
			}
			return doubleValue(f), nil
		}
		return value{}, errNotNumber
	}
}

func toText(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err != nil || v.kind == kindNil {
			return value{}, err
		}
		b, _, err := r.text(v)
		return textValue(b), err
	}
}

func idOf(k kind) func(call) getter {
	return func(c call) getter {
		x, size := c.args[0].expression, idSize(k)
		return func(r *record) (value, error) {
			v, err := x.get(r)
			if err != nil {
				return value{}, err
			}
			switch {
			case v.kind == kindBytes && len(v.b) == size:
				return value{b: v.b, kind: k}, nil
			case v.kind == kindString && len(v.b) == 2*size:
				var room [16]byte
				if id, ok := unhex(room[:size], v.b); ok {
					mark := len(r.arena)
					return value{b: r.keep(append(r.arena, id...), mark), kind: k}, nil
				}
			}
			return value{}, errBadID
		}
	}
}
