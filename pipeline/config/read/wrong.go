package read

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decodeFaults reports the errors of confmap's decoder, a tree of joined errors and errors with a field name
// ("tls.min_version", "list[2]"). It returns the paths at fault.
func (d *reading) decodeFaults(err error, below []string) (paths [][]string) {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			paths = append(paths, d.decodeFaults(one, below)...)
		}
		return paths
	case interface {
		Name() string
		Unwrap() error
	}:
		inner := e.Unwrap()
		below = d.fieldPath(e.Name(), below)
		if keys, is := strings.CutPrefix(inner.Error(), "has invalid keys: "); is {
			return d.invalidKeys(strings.Split(keys, ", "), below)
		}
		return d.decodeFaults(inner, below)
	case interface{ Unwrap() error }:
		if holdsNames(e.Unwrap()) {
			return d.decodeFaults(e.Unwrap(), below)
		}
	}
	d.wrong(err, below)
	return [][]string{below}
}

func holdsNames(err error) bool {
	for err != nil {
		if _, ok := err.(interface{ Name() string }); ok {
			return true
		}
		if many, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range many.Unwrap() {
				if holdsNames(e) {
					return true
				}
			}
			return false
		}
		w, ok := err.(interface{ Unwrap() error })
		if !ok {
			return false
		}
		err = w.Unwrap()
	}
	return false
}

// invalidKeys reports the unknown keys of a section with its own Unmarshal; others were pruned before.
func (d *reading) invalidKeys(keys, below []string) (paths [][]string) {
	m, _ := Unwrap(d.value(below)).(map[string]any)
	for _, key := range keys {
		path := Extend(below, key)
		paths = append(paths, path)
		if _, ok := m[key]; ok {
			d.unknown(d.Shape.walk(below), path)
			continue
		}
		d.Fault(d.At(below), "unknown key %q; take it out", key)
	}
	return paths
}

// fieldPath resolves a decoder's field name against the real keys, which may contain dots.
func (d *reading) fieldPath(name string, below []string) []string {
	value := Unwrap(d.value(below))
	for name != "" {
		name = strings.TrimPrefix(name, ".")
		key, rest, ok := "", "", false
		switch v := value.(type) {
		case []any:
			index, after, closed := strings.Cut(strings.TrimPrefix(name, "["), "]")
			i, err := strconv.Atoi(index)
			if closed && err == nil && i >= 0 && i < len(v) {
				key, rest, ok, value = index, after, true, Unwrap(v[i])
			}
		case map[string]any:
			for k := range v {
				after, isKey := strings.CutPrefix(name, k)
				if !isKey {
					after, isKey = strings.CutPrefix(name, "["+k+"]")
				}
				if isKey && len(k) >= len(key) && (after == "" || after[0] == '.' || after[0] == '[') {
					key, rest, ok = k, after, true
				}
			}
			value = Unwrap(v[key])
		}
		if !ok {
			break
		}
		below, name = Extend(below, key), rest
	}
	return below
}

func (d *reading) value(below []string) any {
	value := d.Raw
	for _, key := range below {
		switch v := Unwrap(value).(type) {
		case map[string]any:
			value = v[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// wrong reports a value that does not fit its key.
func (d *reading) wrong(err error, below []string) {
	value := d.value(below)
	is := d.Found(below)
	if wants := misfit(Unwrap(value), d.Shape.walk(below)); wants != "" && Unwrap(value) != nil {
		d.Fault(d.At(below), "expected %s, found %s%s", wants, is, quotesHelp(wants, Unwrap(value)))
		return
	}
	if d.Hides(below) {
		switch Unwrap(value).(type) {
		case map[string]any, []any:
			d.Fault(d.At(below), "expected a single text, found %s", is)
			return
		case int, int64, uint64, float64, bool:
			d.Fault(d.At(below), "expected a text; put the value in quotes")
			return
		}
		d.Fault(d.At(below), "the value does not have the form of this key; it is not shown because it may be a secret")
		return
	}
	text := err.Error()
	if from := d.origin(Extend(d.Path, below...)); from != "" {
		if v, is := Unwrap(value).(string); is && v != "" {
			text = strings.ReplaceAll(text, v, from)
		}
	}
	spot, text := d.locate(below, text)
	d.Fault(spot, "%s", text)
}

func (d *reading) Found(below []string) string {
	return d.Reader.Found(Extend(d.Path, below...), d.value(below), d.Hides(below))
}

func (d *reading) Hides(below []string) bool {
	s := Secrecy{Shape: d.Shape}
	for _, key := range below {
		s = s.Child(key)
	}
	return s.Hides()
}

// misfit is what a type expects, or "" if the kind fits and something else is wrong.
func misfit(v any, s Shape) string {
	_, isText := v.(string)
	_, isMap := v.(map[string]any)
	_, isList := v.([]any)
	switch kind := s.Kind(); {
	case s.typ == reflect.TypeFor[time.Duration]():
		return "a duration such as 5s or 200ms"
	case s.isText() && !isText:
		return "a text"
	case s.isText():
		return ""
	case kind == reflect.Bool:
		return "true or false"
	case kind >= reflect.Uint && kind <= reflect.Uintptr:
		return "a whole number that is not negative"
	case kind >= reflect.Int && kind <= reflect.Int64:
		return "a whole number"
	case kind == reflect.Float32 || kind == reflect.Float64:
		return "a number"
	case kind == reflect.String && isList:
		return "a single text"
	case kind == reflect.String && !isText:
		return "a text"
	case s.takesMap() && s.takesList() && kind != reflect.Interface && !isMap && !isList:
		return "keys and values"
	case kind == reflect.Slice && !isList && !s.takesMap(), kind == reflect.Array && !isList:
		return "a list"
	case (kind == reflect.Struct || kind == reflect.Map) && !isMap:
		return "keys and values"
	}
	return ""
}

func quotesHelp(wants string, v any) string {
	switch v.(type) {
	case nil, map[string]any, []any, string:
		return ""
	}
	if wants == "a text" {
		return "; put it in quotes"
	}
	return ""
}

// Found describes a value for its author. Of an expanded value only the reference is shown.
func (r *Reader) Found(path []string, value any, hidden bool) string {
	kind, text := describe(Unwrap(value))
	if kind == "" {
		return text
	}
	if from := r.origin(path); from != "" {
		return kind + " from " + from
	}
	if hidden || text == "" {
		return kind
	}
	return text
}

// describe returns the kind of a value, and the value if it is short. The kind alone is for secrets and expanded
// values.
func describe(value any) (kind, text string) {
	const long = 60
	switch v := value.(type) {
	case nil:
		return "", "nothing"
	case map[string]any:
		return "", "keys and values"
	case []any:
		return "", "a list"
	case string:
		if len(v) > long {
			return "a text", ""
		}
		return "a text", fmt.Sprintf("the text %q", v)
	case bool:
		return "", fmt.Sprint(v)
	case time.Time:
		return "a date", ""
	default:
		return "a number", fmt.Sprintf("the number %v", v)
	}
}

func (r *Reader) origin(path []string) string {
	n := r.Tree
	for _, key := range path {
		kid := n.Child(key)
		if kid == nil {
			break
		}
		n = kid
	}
	if n.value == nil || n.value.Kind != yaml.ScalarNode {
		return ""
	}
	refs, _ := references(n.value.Value)
	return bare(refs)
}

// checkNumber reports numbers that the decoder would silently truncate (1.5 for an integer, or out of range), and
// warns of durations without a unit.
func (d *reading) checkNumber(value any, s Shape, below []string) {
	if s.typ == nil || s.reads() || s.isText() {
		return
	}
	value = Unwrap(value)
	if n, is := value.(int); is && n != 0 && s.typ == reflect.TypeFor[time.Duration]() {
		d.Warn(d.At(below), "%d means %d nanoseconds; write a unit, as in %ds", n, n, n)
		return
	}
	zero := reflect.Zero(s.typ)
	fits := true
	switch v := reflect.ValueOf(value); {
	case zero.CanInt():
		switch {
		case v.CanInt():
			fits = !zero.OverflowInt(v.Int())
		case v.CanUint():
			fits = v.Uint() <= math.MaxInt64 && !zero.OverflowInt(int64(v.Uint()))
		case v.CanFloat():
			fits = isWhole(v.Float()) && !zero.OverflowInt(int64(v.Float()))
		}
	case zero.CanUint():
		switch {
		case v.CanInt():
			fits = v.Int() < 0 || !zero.OverflowUint(uint64(v.Int())) // the decoder reports negative ones
		case v.CanUint():
			fits = !zero.OverflowUint(v.Uint())
		case v.CanFloat():
			fits = v.Float() < 0 || isWhole(v.Float()) && !zero.OverflowUint(uint64(v.Float()))
		}
	}
	if !fits {
		d.gone = append(d.gone, below)
		d.Fault(d.At(below), "expected a whole number that fits into %d bits, found %s", s.typ.Bits(), d.Found(below))
	}
}

func isWhole(f float64) bool { return f == math.Trunc(f) && math.Abs(f) < 1<<53 }
