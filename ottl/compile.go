package ottl

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sluiceio/sluice/ottl/syntax"
	"github.com/sluiceio/sluice/wire"
)

// A compiler makes a program of trees and collects their faults.
type compiler struct {
	context  Context
	prefixed bool // paths must name their context
	faults   []*syntax.Fault
	outside  bool // a statement sets the resource, scope or span around a record
	metrics  slot // where the paths of the context Metric lead
	client   *clientUse
}

func (c *compiler) fault(at int, format string, args ...any) {
	c.faults = append(c.faults, &syntax.Fault{At: at, Msg: fmt.Sprintf(format, args...)})
}

// An expression is a compiled value. A literal is known already.
type expression struct {
	get     getter
	literal bool
	val     value
	place   *place // of a path
	node    syntax.Expr
}

func literal(v value) expression {
	return expression{get: func(*record) (value, error) { return v, nil }, literal: true, val: v}
}

func (c *compiler) expr(e syntax.Expr) expression {
	x := c.bare(e)
	x.node = e
	return x
}

func (c *compiler) bare(e syntax.Expr) expression {
	switch e := e.(type) {
	case *syntax.Literal:
		return literal(fromLiteral(e.Value))
	case *syntax.Enum:
		if n, ok := enums[e.Name]; ok {
			return literal(intValue(n))
		}
		c.fault(e.At(), "unknown name %s%s", e.Name, nearest(e.Name, slices.Collect(maps.Keys(enums))))
	case *syntax.Name:
		c.fault(e.At(), "%s: write the arguments of a converter in parentheses", e.Name)
	case *syntax.Path:
		p := c.path(e)
		return expression{get: p.get, place: &p}
	case *syntax.Call:
		return c.converter(e)
	case *syntax.Math:
		return c.math(e)
	case *syntax.List:
		return c.list(e)
	case *syntax.Map:
		return c.mapping(e)
	}
	return literal(value{})
}

func fromLiteral(v any) value {
	switch v := v.(type) {
	case bool:
		return boolValue(v)
	case int64:
		return intValue(v)
	case float64:
		return doubleValue(v)
	case string:
		return textValue([]byte(v))
	case []byte:
		return value{b: v, kind: kindBytes}
	}
	return value{}
}

// evaluate evaluates what has only literals once.
func evaluate(x expression, parts ...expression) expression {
	for _, p := range parts {
		if !p.literal {
			return x
		}
	}
	v, err := x.get(&record{})
	if err != nil {
		return x
	}
	return literal(v)
}

func (c *compiler) list(e *syntax.List) expression {
	parts := c.exprs(e.Values)
	return evaluate(expression{get: func(r *record) (value, error) {
		values := make([][]byte, len(parts))
		for i, p := range parts {
			v, err := p.get(r)
			if err != nil {
				return value{}, err
			}
			if values[i], err = r.any(v); err != nil {
				return value{}, err
			}
		}
		mark, out := len(r.arena), r.arena
		for _, v := range values {
			out = wire.AppendBytes(out, wire.FieldArrayValues, v)
		}
		return value{b: r.keep(out, mark), kind: kindSlice}, nil
	}}, parts...)
}

func (c *compiler) exprs(list []syntax.Expr) []expression {
	out := make([]expression, len(list))
	for i, e := range list {
		out[i] = c.expr(e)
	}
	return out
}

func (c *compiler) mapping(e *syntax.Map) expression {
	parts := c.exprs(e.Values)
	keys := make([][]byte, len(e.Keys))
	for i, k := range e.Keys {
		keys[i] = []byte(k)
	}
	return evaluate(expression{get: func(r *record) (value, error) {
		values := make([][]byte, len(parts))
		for i, p := range parts {
			v, err := p.get(r)
			if err != nil {
				return value{}, err
			}
			if values[i], err = r.any(v); err != nil {
				return value{}, err
			}
		}
		mark, out := len(r.arena), r.arena
		for i, v := range values {
			if !slices.Contains(e.Keys[i+1:], e.Keys[i]) { // the last of equal keys counts
				out = appendEntry(out, entryTag, nil, keys[i], v)
			}
		}
		return mapValue(r.keep(out, mark)), nil
	}}, parts...)
}

var (
	errNumbers  = errors.New("arithmetic takes integers, doubles, times and durations")
	errTimeMath = errors.New("times and durations can only be added and subtracted")
	errNegative = errors.New("only integers and doubles can be negative")
	errDivide   = errors.New("division by 0")
)

func (c *compiler) math(e *syntax.Math) expression {
	y := c.expr(e.Y)
	if e.X == nil {
		return evaluate(expression{get: func(r *record) (value, error) {
			v, err := y.get(r)
			switch {
			case err != nil:
				return value{}, err
			case v.kind == kindInt:
				return intValue(-v.int()), nil
			case v.kind == kindDouble:
				return doubleValue(-v.double()), nil
			}
			return value{}, errNegative
		}}, y)
	}
	x, op := c.expr(e.X), e.Op
	return evaluate(expression{get: func(r *record) (value, error) {
		a, err := x.get(r)
		if err != nil {
			return value{}, err
		}
		b, err := y.get(r)
		if err != nil {
			return value{}, err
		}
		return calculate(a, b, op)
	}}, x, y)
}

func calculate(a, b value, op byte) (value, error) {
	switch {
	case a.kind == kindInt && b.kind == kindInt:
		x, y := a.int(), b.int()
		switch op {
		case '+':
			return intValue(x + y), nil
		case '-':
			return intValue(x - y), nil
		case '*':
			return intValue(x * y), nil
		}
		if y == 0 {
			return value{}, errDivide
		}
		return intValue(x / y), nil
	case (a.kind == kindInt || a.kind == kindDouble) && (b.kind == kindInt || b.kind == kindDouble):
		x, y := a.number(), b.number()
		switch op {
		case '+':
			return doubleValue(x + y), nil
		case '-':
			return doubleValue(x - y), nil
		case '*':
			return doubleValue(x * y), nil
		}
		if y == 0 {
			return value{}, errDivide
		}
		return doubleValue(x / y), nil
	}
	return calculateTime(a, b, op)
}

func (v value) number() float64 {
	if v.kind == kindInt {
		return float64(v.int())
	}
	return v.double()
}

func calculateTime(a, b value, op byte) (value, error) {
	timely := func(k kind) bool { return k == kindTime || k == kindDuration }
	switch {
	case !timely(a.kind) || !timely(b.kind):
		return value{}, errNumbers
	case op == '+' && !(a.kind == kindTime && b.kind == kindTime):
		k := kindDuration
		if a.kind == kindTime || b.kind == kindTime {
			k = kindTime
		}
		return value{n: a.n + b.n, kind: k}, nil
	case op == '-' && a.kind == b.kind:
		return value{n: a.n - b.n, kind: kindDuration}, nil
	case op == '-' && a.kind == kindTime:
		return value{n: a.n - b.n, kind: kindTime}, nil
	}
	return value{}, errTimeMath
}

// A condition is a compiled condition.
type condition func(*record) (bool, error)

var errNotBool = errors.New("the converter of a condition must give a bool")

// condition compiles a condition; nil means always.
func (c *compiler) condition(e syntax.Expr) condition {
	if e == nil {
		return nil
	}
	x, known := c.fold(e)
	if known != nil {
		return constant(*known)
	}
	return x
}

func constant(b bool) condition { return func(*record) (bool, error) { return b, nil } }

// fold compiles a condition. What is known beforehand is returned as known: as in contrib, "or true" then hides the errors
// of what stands beside it.
func (c *compiler) fold(e syntax.Expr) (x condition, known *bool) {
	switch e := e.(type) {
	case *syntax.Literal:
		b, _ := e.Value.(bool)
		return nil, &b
	case *syntax.Not:
		x, known := c.fold(e.X)
		if known != nil {
			b := !*known
			return nil, &b
		}
		return func(r *record) (bool, error) {
			b, err := x(r)
			return !b, err
		}, nil
	case *syntax.Logic:
		return c.logic(e)
	case *syntax.Compare:
		x, y, op := c.expr(e.X), c.expr(e.Y), operators[e.Op]
		if x.literal && y.literal {
			b := compare(x.val, y.val, op)
			return nil, &b
		}
		if y.literal {
			return against(x.get, y.val, op), nil
		}
		return func(r *record) (bool, error) {
			a, err := x.get(r)
			if err != nil {
				return false, err
			}
			b, err := y.get(r)
			if err != nil {
				return false, err
			}
			return compare(a, b, op), nil
		}, nil
	case *syntax.Call:
		before := len(c.faults)
		x := c.expr(e)
		if x.literal && x.val.kind != kindBool && len(c.faults) == before {
			c.fault(e.At(), "%s does not give a bool; compare its result", e.Name)
		}
		return func(r *record) (bool, error) {
			v, err := x.get(r)
			if err == nil && v.kind != kindBool {
				err = errNotBool
			}
			return v.bool() && err == nil, err
		}, nil
	}
	c.fault(e.At(), "this is not a condition")
	return constant(false), nil
}

func (c *compiler) logic(e *syntax.Logic) (condition, *bool) {
	var parts []condition
	decided := false
	for _, x := range e.X {
		part, known := c.fold(x)
		switch {
		case known == nil:
			parts = append(parts, part)
		case *known == e.Or:
			decided = true
		}
	}
	if decided || len(parts) == 0 {
		b := decided == e.Or
		return nil, &b
	}
	return func(r *record) (bool, error) {
		for _, x := range parts {
			b, err := x(r)
			if err != nil {
				return false, err
			}
			if b == e.Or {
				return b, nil
			}
		}
		return !e.Or, nil
	}, nil
}

// enums are the names in capital letters.
var enums = func() map[string]int64 {
	out := map[string]int64{"SEVERITY_NUMBER_UNSPECIFIED": 0, "FLAG_NONE": 0, "FLAG_NO_RECORDED_VALUE": 1}
	for i, name := range strings.Fields("TRACE DEBUG INFO WARN ERROR FATAL") {
		for j, suffix := range []string{"", "2", "3", "4"} {
			out["SEVERITY_NUMBER_"+name+suffix] = int64(4*i + j + 1)
		}
	}
	for prefix, names := range map[string]string{
		"SPAN_KIND_":               "UNSPECIFIED INTERNAL SERVER CLIENT PRODUCER CONSUMER",
		"STATUS_CODE_":             "UNSET OK ERROR",
		"AGGREGATION_TEMPORALITY_": "UNSPECIFIED DELTA CUMULATIVE",
		"METRIC_DATA_TYPE_":        "NONE GAUGE SUM HISTOGRAM EXPONENTIAL_HISTOGRAM SUMMARY",
	} {
		for i, name := range strings.Fields(names) {
			out[prefix+name] = int64(i)
		}
	}
	return out
}()

// now is the clock of Now; tests replace it.
var now = time.Now
