package rows

import "github.com/sluiceio/sluice/wire/loki"

// A name is an attribute's key with its label. Several keys may share a label.
type name struct {
	key string // of the attribute, or label of a parent, zero byte and key; empty for what is no attribute
	*label
}

// A label is the encoder's state of one label.
type label struct {
	text      string
	row       uint64 // last row that had it
	from      *name  // who put it there
	at        int    // and as which field; -1: not as a field
	stream    uint64 // last resource that had it as a label of the stream
	day       int64  // for which admitted holds
	admitted  bool
	duplicate *label

	always     bool // a field on every day, see AlwaysField
	tellsLevel bool // of the record
}

// maxInterned limits the names kept between requests.
const maxInterned = 8192

// interner finds an attribute's name. Records of a source mostly have the same attributes in the same order, so it
// first compares the last one at that position.
type interner struct {
	last    []*name
	byKey   map[string]*name
	own     map[string]*name // of what is no attribute, by label
	byLabel map[string]*label
	buf     []byte
}

// key returns the name of a record's i-th attribute.
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

func (t *interner) get(key []byte) *name {
	if n, ok := t.byKey[string(key)]; ok {
		return n
	}
	t.buf = loki.AppendName(t.buf[:0], key)
	return t.add(string(key), string(t.buf))
}

// child returns the name of a map entry.
func (t *interner) child(parent *name, key []byte) *name {
	t.buf = append(append(append(t.buf[:0], parent.text...), 0), key...)
	if n, ok := t.byKey[string(t.buf)]; ok {
		return n
	}
	path := string(t.buf)
	t.buf = loki.AppendNamePart(append(append(t.buf[:0], parent.text...), '_'), key)
	return t.add(path, string(t.buf))
}

// fixed returns the name of a label without attribute.
func (t *interner) fixed(text string) *name {
	if n, ok := t.own[text]; ok {
		return n
	}
	n := &name{label: t.label(text)}
	t.own[text] = n
	return n
}

// twin is the label for a duplicate name.
func (t *interner) twin(l *label) *label {
	if l.duplicate == nil {
		l.duplicate = t.label(l.text + duplicateName)
	}
	return l.duplicate
}

// trim empties a large table. Call it between requests only, or a row could get a field twice.
func (t *interner) trim() {
	if t.byKey == nil || len(t.byKey) > maxInterned {
		*t = interner{byKey: map[string]*name{}, own: map[string]*name{}, byLabel: map[string]*label{}, buf: t.buf}
	}
}

func (t *interner) add(key, text string) *name {
	n := &name{key: key, label: t.label(text)}
	t.byKey[key] = n
	return n
}

func (t *interner) label(text string) *label {
	l := t.byLabel[text]
	if l == nil {
		l = &label{text: text, day: -1, always: AlwaysField(text), tellsLevel: isLevelKey(text)}
		t.byLabel[text] = l
	}
	return l
}
