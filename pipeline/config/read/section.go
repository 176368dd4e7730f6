package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/xconfmap"
)

// A section is a part of the configuration that is decoded into one Go value: a component's, or service.
type section struct {
	path        []string
	raw         any               // as resolved
	unsupported map[string]string // keys of the Collector's section that ours does not have: path below the section, what to do
}

// reader turns the sections of a resolved configuration into Go values.
type reader struct {
	*report
	resolved
	allowIgnored bool
	secrets      []string
	gone         [][]string // paths that are missing only because of a fault that is reported
}

// isGone reports whether a path, or something below it, is missing because of a fault that is reported.
func (r *reader) isGone(path ...string) bool {
	return slices.ContainsFunc(r.gone, func(gone []string) bool { return isBelow(gone, path) })
}

// reading is the work on one section.
type reading struct {
	*reader
	section
	shape shape
	gone  [][]string // what is missing only because of a fault that is reported: misspelt, of a wrong type, ...
}

// warner is implemented by configurations that have something to say about a legal but doubtful section. Each
// text is as those of Validate: a path below the section in the manner of confmap ("a::b: text") may come first.
type warner interface{ Warnings() []string }

// decode reads a section over the defaults that fresh makes a pointer to, and reports every fault in it. It answers
// whether the value may be used.
func (r *reader) decode(s section, fresh func() any) (value any, ok bool) {
	into := fresh()
	d := &reading{reader: r, section: s, shape: shapeOf(reflect.TypeOf(into))}
	r.secrets = append(r.secrets, secretsOf(s.raw, secrecy{shape: d.shape})...)
	before := len(r.faults)

	var keys map[string]any
	switch raw := plain(s.raw).(type) {
	case nil: // a name with nothing behind it: the defaults
	case map[string]any:
		keys = d.pruneMap(raw, d.shape, nil)
	default:
		r.fault(d.at(nil), "wants keys and values, found %s", d.found(nil))
		return into, false
	}
	// What does not fit is reported, taken out, and the rest tried again: a wrong value must not hide another, nor
	// what Validate has to say.
	for range maxTries {
		err := confmap.NewFromStringMap(keys).Unmarshal(into)
		if err == nil {
			d.check(into)
			break
		}
		if !d.takeOut(keys, d.decodeFaults(err, nil)) {
			break
		}
		into = fresh()
	}
	for _, path := range d.gone {
		r.gone = append(r.gone, extend(s.path, path...))
	}
	return into, len(r.faults) == before
}

// maxTries bounds how often a section is decoded; each time all wrong values that the decoder saw are taken out.
const maxTries = 10

// check runs what the decoded value says about itself.
func (d *reading) check(value any) {
	d.broken(d.tree.find(d.path...), nil)
	d.validate(confmap.Validate(value), nil)
	if w, ok := value.(warner); ok {
		for _, text := range w.Warnings() {
			spot, rest := d.locate(nil, text)
			d.warn(spot, "%s", rest)
		}
	}
}

// broken notes the keys whose ${...} could not be expanded.
func (d *reading) broken(n *node, below []string) {
	if n == nil {
		return
	}
	if n.broken {
		d.gone = append(d.gone, below)
	}
	for _, kid := range n.kids {
		d.broken(kid, extend(below, kid.key))
	}
}

// takeOut removes the values at the paths from keys. A list loses all of its items, since the others would move.
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

// at is the place of a path below the section.
func (d *reading) at(below []string) at { return d.tree.at(extend(d.path, below...)...) }

// prune copies a value without the keys that its type does not have, and reports these. A value of the wrong kind
// is left as it is for the decoder to report.
func (d *reading) prune(value any, s shape, below []string) any {
	switch v := plain(value).(type) {
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
			kid, _ := s.child(index)
			list[i] = d.prune(item, kid, extend(below, index))
		}
		return list
	default:
		d.checkNumber(value, s, below)
		return value
	}
}

func (d *reading) pruneMap(m map[string]any, s shape, below []string) map[string]any {
	kept := make(map[string]any, len(m))
	for _, key := range d.keys(m, below) {
		path := extend(below, key)
		if advice, is := d.unsupportedAt(path); is {
			if !d.allowIgnored {
				d.gone = append(d.gone, path)
			}
			d.ignorable(d.allowIgnored, d.at(path), unsupported+"; "+advice)
			continue
		}
		kid, ok := s.child(key)
		if !ok {
			d.unknown(s, path)
			continue
		}
		kept[key] = d.prune(m[key], kid, path)
	}
	return kept
}

// keys lists the keys of a map: in the order of the files, then what the files do not show.
func (d *reading) keys(m map[string]any, below []string) []string {
	return orderedKeys(d.tree.find(extend(d.path, below...)...), m)
}

func orderedKeys(n *node, m map[string]any) []string {
	var keys []string
	if n != nil {
		for _, kid := range n.kids {
			if _, ok := m[kid.key]; ok {
				keys = append(keys, kid.key)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if n.child(key) == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// unsupportedAt looks a path up in the list of keys that are not done; * there stands for any key or index.
func (d *reading) unsupportedAt(path []string) (advice string, is bool) {
	if len(d.unsupported) == 0 {
		return "", false
	}
	if advice, is = d.unsupported[joinPath(path)]; is {
		return advice, true
	}
	for _, pattern := range slices.Sorted(maps.Keys(d.unsupported)) {
		if strings.Contains(pattern, "*") && matches(strings.Split(pattern, delimiter), path) {
			return d.unsupported[pattern], true
		}
	}
	return "", false
}

func matches(pattern, path []string) bool {
	return slices.EqualFunc(pattern, path, func(p, key string) bool { return p == "*" || p == key })
}

// unknown reports a key that the type at its place does not have.
func (d *reading) unknown(s shape, path []string) {
	key := path[len(path)-1]
	list, _ := s.fields()
	var names []string
	for _, f := range list {
		if _, gone := d.unsupportedAt(extend(path[:len(path)-1], f.key)); !gone {
			names = append(names, f.key)
		}
	}
	d.gone = append(d.gone, path)
	if best := nearest(key, names); best != "" {
		d.gone = append(d.gone, extend(path[:len(path)-1], best))
		d.fault(d.at(path), "unknown key; did you mean %q?", best)
		return
	}
	if deeper := deepKey(s, key, 2); deeper != nil {
		d.fault(d.at(path), "unknown key here; it belongs further down: write %s", joinPath(deeper))
		return
	}
	d.fault(d.at(path), "unknown key; %s", meant(key, names))
}

// deepKey looks for a key of exactly that name further down, as for insecure, which is below tls.
func deepKey(s shape, key string, depth int) []string {
	list, _ := s.fields()
	for _, f := range list {
		below := shapeOf(f.typ)
		more, _ := below.fields()
		for _, g := range more {
			if g.key == key {
				return []string{f.key, key}
			}
		}
		if depth > 1 {
			if path := deepKey(below, key, depth-1); path != nil {
				return extend([]string{f.key}, path...)
			}
		}
	}
	return nil
}

// plain is a value without the text that it was expanded from.
func plain(value any) any {
	for {
		e, ok := value.(xconfmap.ExpandedValue)
		if !ok {
			return value
		}
		value = e.Value
	}
}
