package read

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

// A Section is the part of the configuration that is decoded into one Go value.
type Section struct {
	Path        []string
	Raw         any               // as resolved
	Unsupported map[string]string // keys of the Collector's section that ours does not have: path below the section, what to do
	Lenient     bool              // these are warned of and ignored: nothing that passes through depends on them
}

// Reader decodes the sections of a resolved configuration.
type Reader struct {
	*Report
	Resolved
	AllowIgnored bool
	Secrets      []string
	gone         [][]string // paths that are missing only because of a fault that is reported
}

// IsGone reports whether a path, or something below it, is missing because of a reported fault.
func (r *Reader) IsGone(path ...string) bool {
	return slices.ContainsFunc(r.gone, func(gone []string) bool { return isBelow(gone, path) })
}

type reading struct {
	*Reader
	Section
	Shape Shape
	gone  [][]string // what is missing only because of a fault that is reported: misspelt, of a wrong type, ...
}

// warner is for configurations with warnings about legal but doubtful settings. A text may begin with a path, as in
// confmap ("a::b: text").
type warner interface{ Warnings() []string }

// Decode decodes a section over the defaults that fresh returns, and reports every fault. ok says whether value may
// be used.
func (r *Reader) Decode(s Section, fresh func() any) (value any, ok bool) {
	into := fresh()
	d := &reading{Reader: r, Section: s, Shape: ShapeOf(reflect.TypeOf(into))}
	r.Secrets = append(r.Secrets, secretsOf(s.Raw, Secrecy{Shape: d.Shape})...)
	before := len(r.Faults)

	var keys map[string]any
	switch raw := Unwrap(s.Raw).(type) {
	case nil: // a name with nothing behind it: the defaults
	case map[string]any:
		keys = d.pruneMap(raw, d.Shape, nil)
	default:
		r.Fault(d.At(nil), "expected keys and values, found %s", d.Found(nil))
		return into, false
	}
	// Remove what does not fit and try again, so that one wrong value does not hide others or the faults of
	// Validate.
	for range maxTries {
		err := confmap.NewFromStringMap(keys).Unmarshal(into)
		if err == nil {
			d.check(into)
			d.files(keys, nil)
			break
		}
		if !d.takeOut(keys, d.decodeFaults(err, nil)) {
			break
		}
		into = fresh()
	}
	for _, path := range d.gone {
		r.gone = append(r.gone, Extend(s.Path, path...))
	}
	return into, len(r.Faults) == before
}

// maxTries bounds the decoding attempts; each removes all wrong values found.
const maxTries = 10

func (d *reading) check(value any) {
	d.broken(d.Tree.Find(d.Path...), nil)
	d.validate(confmap.Validate(value), nil)
	if w, ok := value.(warner); ok {
		for _, text := range w.Warnings() {
			spot, rest := d.locate(nil, text)
			d.Warn(spot, "%s", rest)
		}
	}
}

// broken notes keys whose ${...} could not be expanded.
func (d *reading) broken(n *Node, below []string) {
	if n == nil {
		return
	}
	if n.broken {
		d.gone = append(d.gone, below)
	}
	for _, kid := range n.Kids {
		d.broken(kid, Extend(below, kid.Key))
	}
}

// takeOut removes the values at the paths. A list is removed as a whole, since its indexes would shift.
func (d *reading) takeOut(keys map[string]any, paths [][]string) bool {
	removed := false
	for _, path := range paths {
		m := keys
		for i, key := range path {
			next, isMap := m[key].(map[string]any)
			if isMap && i < len(path)-1 {
				m = next
				continue
			}
			if _, there := m[key]; there {
				delete(m, key)
				removed = true
			}
			break
		}
		d.gone = append(d.gone, path)
	}
	return removed
}

func (d *reading) At(below []string) At { return d.Tree.At(Extend(d.Path, below...)...) }

// prune copies a value without unknown keys, and reports them. Values of the wrong kind are left for the decoder.
func (d *reading) prune(value any, s Shape, below []string) any {
	if _, is := value.(xconfmap.ExpandedValue); is && s.Kind() == reflect.Interface {
		return value // whoever reads it chooses between the value and its text
	}
	switch v := Unwrap(value).(type) {
	case map[string]any:
		if !s.takesMap() {
			return value
		}
		return d.pruneMap(v, s, below)
	case []any:
		if !s.takesList() {
			return value
		}
		list := make([]any, len(v))
		for i, item := range v {
			index := strconv.Itoa(i)
			kid, _ := s.Child(index)
			list[i] = d.prune(item, kid, Extend(below, index))
		}
		return list
	default:
		d.checkNumber(value, s, below)
		return value
	}
}

func (d *reading) pruneMap(m map[string]any, s Shape, below []string) map[string]any {
	kept := make(map[string]any, len(m))
	for _, key := range d.keys(m, below) {
		path := Extend(below, key)
		if advice, is := d.unsupportedAt(path); is {
			if isOff(m[key]) {
				continue
			}
			ignored := d.AllowIgnored || d.Lenient
			text := Unsupported + "; " + advice
			if ignored && protects(path) {
				ignored = false
				text += "; it protects, and is never ignored"
			}
			if !ignored {
				d.gone = append(d.gone, path)
			}
			d.Ignorable(ignored, d.At(path), text)
			continue
		}
		kid, ok := s.Child(key)
		if !ok {
			d.unknown(s, path)
			continue
		}
		kept[key] = d.prune(m[key], kid, path)
	}
	return kept
}

// isOff reports whether a value disables its key, so that an unsupported one does not matter.
func isOff(value any) bool {
	switch v := Unwrap(value).(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == "" || strings.EqualFold(v, "none")
	case []any:
		return len(v) == 0
	case map[string]any:
		if enabled, is := Unwrap(v["enabled"]).(bool); is && !enabled {
			return true
		}
		for _, item := range v {
			if !isOff(item) {
				return false
			}
		}
		return true
	}
	return false
}

// protective are security keys: ignoring one would accept or send what the file forbids.
var protective = []string{"auth", "authenticator", "tls", "client_ca_file", "middlewares", "min_version", "cipher_suites"}

// protects reports whether a key must never be ignored.
func protects(path []string) bool {
	return slices.ContainsFunc(path, func(key string) bool { return slices.Contains(protective, key) })
}

func (d *reading) keys(m map[string]any, below []string) []string {
	return OrderedKeys(d.Tree.Find(Extend(d.Path, below...)...), m)
}

func OrderedKeys(n *Node, m map[string]any) []string {
	var keys []string
	if n != nil {
		for _, kid := range n.Kids {
			if _, ok := m[kid.Key]; ok {
				keys = append(keys, kid.Key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if n.Child(key) == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// unsupportedAt looks up a path in Unsupported; * matches any key or index.
func (d *reading) unsupportedAt(path []string) (advice string, is bool) {
	if len(d.Unsupported) == 0 {
		return "", false
	}
	if advice, is = d.Unsupported[joinPath(path)]; is {
		return advice, true
	}
	for _, pattern := range slices.Sorted(maps.Keys(d.Unsupported)) {
		if strings.Contains(pattern, "*") && matches(strings.Split(pattern, delimiter), path) {
			return d.Unsupported[pattern], true
		}
	}
	return "", false
}

func matches(pattern, path []string) bool {
	return slices.EqualFunc(pattern, path, func(p, key string) bool { return p == "*" || p == key })
}

func (d *reading) unknown(s Shape, path []string) {
	key := path[len(path)-1]
	list, _ := s.fields()
	var names []string
	for _, f := range list {
		if _, gone := d.unsupportedAt(Extend(path[:len(path)-1], f.Key)); !gone {
			names = append(names, f.Key)
		}
	}
	d.gone = append(d.gone, path)
	if best := Nearest(key, names); best != "" {
		d.gone = append(d.gone, Extend(path[:len(path)-1], best))
		d.Fault(d.At(path), "unknown key; did you mean %q?", best)
		return
	}
	if deeper := deepKey(s, key, 2); deeper != nil {
		d.Fault(d.At(path), "unknown key here; it belongs further down: write %s", joinPath(deeper))
		return
	}
	d.Fault(d.At(path), "unknown key; %s", Meant(key, names))
}

// deepKey finds a key of this name at a deeper level, such as tls::insecure.
func deepKey(s Shape, key string, depth int) []string {
	list, _ := s.fields()
	for _, f := range list {
		below := ShapeOf(f.typ)
		more, _ := below.fields()
		for _, g := range more {
			if g.Key == key {
				return []string{f.Key, key}
			}
		}
		if depth > 1 {
			if path := deepKey(below, key, depth-1); path != nil {
				return Extend([]string{f.Key}, path...)
			}
		}
	}
	return nil
}

// Unwrap drops the text that a value was expanded from.
func Unwrap(value any) any {
	for {
		e, ok := value.(xconfmap.ExpandedValue)
		if !ok {
			return value
		}
		value = e.Value
	}
}
