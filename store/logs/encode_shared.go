package logs

import (
	"slices"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/loki"
)

// resource reads the attributes of a resource: some become labels of the stream, the others metadata of every row.
func (e *encoder) resource(body []byte) {
	e.nth++
	e.stream = e.stream[:0]
	e.res.labels, e.res.text = e.res.labels[:0], e.res.text[:0]
	for attrs := wire.ResourceAttributes(body); attrs.Next(); {
		label, index := indexAttributes[view(attrs.Key())]
		if index && e.streamLabel(label, attrs.Value()) {
			continue
		}
		e.metadata(&e.res, e.intern.get(attrs.Key()), attrs.Value())
	}
	if !e.hasStream(labelService) {
		e.addStream(labelService, e.discoverService())
	}
	slices.SortFunc(e.stream, func(a, b logstorage.Field) int { return strings.Compare(a.Name, b.Name) })
}

// streamLabel adds a label of the stream. A value that is no plain text, or longer than the index takes, stays
// metadata.
func (e *encoder) streamLabel(label string, v wire.Value) bool {
	if k := v.Kind(); k == wire.ValueMap || k == wire.ValueArray || e.hasStream(label) {
		return false
	}
	start := len(e.res.text)
	e.res.text = v.AppendText(e.res.text)
	value := e.res.text[start:]
	if len(value) == 0 || len(value) > maxStreamValue {
		return false
	}
	e.addStream(label, view(value))
	return true
}

func (e *encoder) addStream(label, value string) {
	e.stream = append(e.stream, logstorage.Field{Name: label, Value: value})
	e.intern.fixed(label).stream = e.nth
}

func (e *encoder) hasStream(label string) bool {
	return slices.ContainsFunc(e.stream, func(f logstorage.Field) bool { return f.Name == label })
}

// discoverService names the service that does not name itself.
func (e *encoder) discoverService() string {
	for _, from := range serviceFrom {
		for _, f := range e.stream {
			if f.Name == from {
				return f.Value
			}
		}
	}
	return unknownValue
}

// scopeLabels reads the instrumentation scope into metadata.
func (e *encoder) scopeLabels(body []byte) {
	e.scope.labels, e.scope.text = e.scope.labels[:0], e.scope.text[:0]
	s := wire.ParseScope(body)
	e.share(&e.scope, e.intern.fixed("scope_name"), view(s.Name))
	e.share(&e.scope, e.intern.fixed("scope_version"), view(s.Version))
	for attrs := s.Attributes(); attrs.Next(); {
		e.metadata(&e.scope, e.intern.get(attrs.Key()), attrs.Value())
	}
}

// metadata adds an attribute to labels that rows share.
func (e *encoder) metadata(to *metadata, n *name, v wire.Value) {
	if v.Kind() == wire.ValueMap {
		for m := v.Map(); m.Next(); {
			e.metadata(to, e.intern.child(n, m.Key()), m.Value())
		}
		return
	}
	start := len(to.text)
	to.text = v.AppendText(to.text)
	e.share(to, n, view(to.text[start:]))
}

func (e *encoder) share(to *metadata, n *name, value string) {
	if value != "" {
		to.labels = append(to.labels, sharedLabel{n, value})
	}
}

// A name is the label that an attribute's key becomes, and what the encoder notes about it.
type name struct {
	key       string // of the attribute, or label of a parent, zero byte and key
	label     string
	row       uint64 // last row that had it
	stream    uint64 // last resource that had it as a label of the stream
	day       int64  // for which admitted holds
	admitted  bool
	duplicate *name

	always     bool // a field on every day, see alwaysField
	tellsLevel bool // of the record
}

// maxInterned bounds the names that an encoder keeps from one request to the next.
const maxInterned = 8192

// interner finds the name of an attribute. The records of a source have the same attributes in the same order most of
// the time, so the one that stood at this place before is tried first: a comparison of bytes, no look-up.
type interner struct {
	last   []*name
	byKey  map[string]*name
	byName map[string]*name // by label: keys that become the same label are the same name
	buf    []byte
}

// key returns the name of the i-th attribute of a record.
func (t *interner) key(i int, key []byte) *name {
	if i < len(t.last) && t.last[i].key == string(key) {
		return t.last[i]
	}
	n := t.get(key)
	switch {
	case i < len(t.last):
		t.last[i] = n
	case i == len(t.last):
		t.last = append(t.last, n)
	}
	return n
}

// get returns the name of a key.
func (t *interner) get(key []byte) *name {
	if n, ok := t.byKey[string(key)]; ok {
		return n
	}
	t.buf = loki.AppendName(t.buf[:0], key)
	return t.add(string(key), string(t.buf))
}

// child returns the name of an entry of a map.
func (t *interner) child(parent *name, key []byte) *name {
	t.buf = append(append(append(t.buf[:0], parent.label...), 0), key...)
	if n, ok := t.byKey[string(t.buf)]; ok {
		return n
	}
	path := string(t.buf)
	t.buf = loki.AppendNamePart(append(append(t.buf[:0], parent.label...), '_'), key)
	return t.add(path, string(t.buf))
}

// fixed returns the name of a label.
func (t *interner) fixed(label string) *name {
	if n, ok := t.byName[label]; ok {
		return n
	}
	return t.add(label, label)
}

// duplicate is the name of a label that the stream has already.
func (t *interner) duplicate(n *name) *name {
	if n.duplicate == nil {
		n.duplicate = t.fixed(n.label + duplicateName)
	}
	return n.duplicate
}

// trim empties a table that has become too large. Between requests only: within one, two names for the same label
// would let a row have a field twice.
func (t *interner) trim() {
	if t.byKey == nil || len(t.byKey) > maxInterned {
		t.byKey, t.byName, t.last = map[string]*name{}, map[string]*name{}, nil
	}
}

func (t *interner) add(key, label string) *name {
	n := t.byName[label]
	if n == nil {
		n = &name{key: key, label: label, day: -1, always: alwaysField(label), tellsLevel: isLevelKey(label)}
		t.byName[label] = n
	}
	t.byKey[key] = n
	return n
}

// appendRest appends a label that is no field: length and bytes of the name, length and bytes of the value.
func appendRest(to []byte, label, value string) []byte {
	to = wire.AppendVarint(to, uint64(len(label)))
	to = append(to, label...)
	to = wire.AppendVarint(to, uint64(len(value)))
	return append(to, value...)
}

// eachRest calls f for each label that appendRest wrote. Damaged bytes end it.
func eachRest(s string, f func(label, value string)) {
	for s != "" {
		var label, value string
		var ok bool
		if label, s, ok = cutSized(s); !ok {
			return
		}
		if value, s, ok = cutSized(s); !ok {
			return
		}
		f(label, value)
	}
}

func cutSized(s string) (head, tail string, ok bool) {
	var n uint64
	for i := 0; i < len(s) && i < 9; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			s = s[i+1:]
			if n > uint64(len(s)) {
				return "", "", false
			}
			return s[:n], s[n:], true
		}
	}
	return "", "", false
}
