package rows

import "github.com/sluiceio/sluice/wire/loki"

// A name is the label that an attribute's key becomes, and what the encoder notes about it.
type name struct {
	key       string // of the attribute, or label of a parent, zero byte and key
	label     string
	row       uint64 // last row that had it
	stream    uint64 // last resource that had it as a label of the stream
	day       int64  // for which admitted holds
	admitted  bool
	duplicate *name

	always     bool // a field on every day, see AlwaysField
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
		n = &name{key: key, label: label, day: -1, always: AlwaysField(label), tellsLevel: isLevelKey(label)}
		t.byName[label] = n
	}
	t.byKey[key] = n
	return n
}
