package ottl

import (
	"errors"

	"github.com/sluiceio/sluice/wire"
)

// A getter evaluates an expression.
type getter func(*record) (value, error)

// A place is what a path names: it can be read and, unless fixed says why not, written.
type place struct {
	get   getter
	set   func(*record, value) error
	fixed string
	all   bool // all attributes of the message in slot
	slot  slot
}

// A key is an index behind a path: a literal string, a literal integer, or an expression.
type key struct {
	text    string
	raw     []byte // of text
	index   int64
	literal kind // kindString or kindInt, or kindNil for an expression
	get     getter
}

var (
	errTextKey    = errors.New("a map is indexed by a string")
	errIndexKey   = errors.New("a list is indexed by an integer")
	errBounds     = errors.New("the index is out of bounds")
	errNoIndex    = errors.New("only maps and lists can be indexed")
	errNoKey      = errors.New("the key is not in the map")
	errBodyIndex  = errors.New("only a log body that is a map or a list can be indexed")
	errHugeIndex  = errors.New("the index is too large for a new list")
	maxFreshIndex = int64(1024)
)

func (k *key) asText(r *record) ([]byte, error) {
	switch k.literal {
	case kindString:
		return k.raw, nil
	case kindInt:
		return nil, errTextKey
	}
	v, err := k.get(r)
	if err == nil && v.kind != kindString {
		err = errTextKey
	}
	return v.b, err
}

func (k *key) asIndex(r *record) (int64, error) {
	switch k.literal {
	case kindString:
		return 0, errIndexKey
	case kindInt:
		return k.index, nil
	}
	v, err := k.get(r)
	if err == nil && v.kind != kindInt {
		err = errIndexKey
	}
	return v.int(), err
}

// into follows keys behind a path. A missing key of a map is nil.
func (r *record) into(v value, keys []key) (value, error) {
	for i := range keys {
		switch v.kind {
		case kindMap:
			name, err := keys[i].asText(r)
			if err != nil {
				return value{}, err
			}
			w, ok := v.get(name)
			if !ok {
				return value{}, nil
			}
			v = fromWire(w)
		case kindSlice:
			at, err := keys[i].asIndex(r)
			if err != nil {
				return value{}, err
			}
			w, ok := v.at(at)
			if !ok || at < 0 {
				return value{}, errBounds
			}
			v = fromWire(w)
		default:
			return value{}, errNoIndex
		}
	}
	return v, nil
}

// indexed follows keys behind a converter's result, where a missing key is an error.
func (r *record) indexed(v value, keys []key) (value, error) {
	for i := range keys {
		if v.kind == kindMap {
			name, err := keys[i].asText(r)
			if err != nil {
				return value{}, err
			}
			if _, ok := v.get(name); !ok {
				return value{}, errNoKey
			}
		}
		var err error
		if v, err = r.into(v, keys[i:i+1]); err != nil {
			return value{}, err
		}
	}
	return v, nil
}

// put returns the AnyValue body old with v put where the keys lead, making maps and lists on the way. With an error it
// returns what contrib would have left: new keys without a value.
func (r *record) put(old []byte, keys []key, v value) ([]byte, error) {
	if len(keys) == 0 {
		if err := v.bounded(); err != nil {
			return old, err
		}
		body, err := r.any(v)
		if err != nil {
			return old, err
		}
		return body, nil
	}
	w := wire.ParseValue(old)
	switch w.Kind() {
	case wire.ValueMap:
		name, err := keys[0].asText(r)
		if err != nil {
			return old, err
		}
		return r.putEntry(w.Payload(), name, keys[1:], v)
	case wire.ValueArray:
		at, err := keys[0].asIndex(r)
		if err != nil {
			return old, err
		}
		return r.putElement(old, at, keys[1:], v)
	case wire.ValueEmpty:
		if at, err := keys[0].asIndex(r); err == nil {
			if at < 0 || at > maxFreshIndex {
				return old, errHugeIndex
			}
			inner, err := r.put(nil, keys[1:], v)
			mark := len(r.arena)
			out, list := wire.BeginMessage(r.arena, wire.FieldValueArray)
			for range at {
				out = wire.AppendBytes(out, wire.FieldArrayValues, nil)
			}
			out = wire.AppendBytes(out, wire.FieldArrayValues, inner)
			return r.keep(wire.EndMessage(out, list), mark), err
		}
		name, err := keys[0].asText(r)
		if err != nil {
			return old, err
		}
		return r.putEntry(nil, name, keys[1:], v)
	}
	return old, errNoIndex
}

// A record may write what the next one reads, and so on: without bounds a value could grow with every record.
const (
	maxDepth = 20 // of maps and lists in a value that is set; a request may have 32
	maxKeys  = 8  // behind a path
)

// maxSize is lowered by a test.
var maxSize = 16 << 20

var (
	errDeep = errors.New("the value is nested deeper than 20")
	errBig  = errors.New("the value is larger than 16 MiB")
)

func (v value) bounded() error {
	if len(v.b) > maxSize {
		return errBig
	}
	if v.deeper(maxDepth) {
		return errDeep
	}
	return nil
}

func (v value) deeper(than int) bool {
	switch v.kind {
	case kindMap:
		if than == 0 {
			return true
		}
		for c := v.entries(); c.Next(); {
			if fromWire(c.Value()).deeper(than - 1) {
				return true
			}
		}
	case kindSlice:
		if than == 0 {
			return true
		}
		for c := v.elements(); c.Next(); {
			if fromWire(c.Value()).deeper(than - 1) {
				return true
			}
		}
	}
	return false
}

// putEntry is put in a map with the given KeyValueList body.
func (r *record) putEntry(list, name []byte, keys []key, v value) ([]byte, error) {
	var old []byte
	found := false
	for f := wire.MessageFields(list); f.Next() && !found; {
		if f.Number() == wire.FieldMapValues && string(wire.FindBytes(f.Body(), wire.FieldKeyValueKey)) == string(name) {
			old, found = wire.FindBytes(f.Body(), wire.FieldKeyValueValue), true
		}
	}
	inner, err := r.put(old, keys, v)
	mark := len(r.arena)
	out, body := wire.BeginMessage(r.arena, wire.FieldValueMap)
	done := false
	for f := wire.MessageFields(list); f.Next(); {
		if done || f.Number() != wire.FieldMapValues || string(wire.FindBytes(f.Body(), wire.FieldKeyValueKey)) != string(name) {
			out = append(out, f.Framed()...)
			continue
		}
		done = true
		out = appendEntry(out, entryTag, f.Body(), nil, inner)
	}
	if !done {
		out = appendEntry(out, entryTag, nil, name, inner)
	}
	return r.keep(wire.EndMessage(out, body), mark), err
}

// appendEntry appends a KeyValue: old with another key, if not nil, and another value.
func appendEntry(dst []byte, tag byte, old, name, body []byte) []byte {
	if name == nil {
		name = wire.FindBytes(old, wire.FieldKeyValueKey)
	}
	dst, mark := wire.BeginMessage(dst, int(tag>>3))
	dst = wire.AppendBytes(dst, wire.FieldKeyValueKey, name)
	dst = wire.AppendBytes(dst, wire.FieldKeyValueValue, body)
	for f := wire.MessageFields(old); f.Next(); {
		if f.Number() != wire.FieldKeyValueKey && f.Number() != wire.FieldKeyValueValue {
			dst = append(dst, f.Framed()...)
		}
	}
	return wire.EndMessage(dst, mark)
}

// putElement is put in a list with the given AnyValue body.
func (r *record) putElement(old []byte, at int64, keys []key, v value) ([]byte, error) {
	list := wire.ParseValue(old).Payload()
	var element []byte
	n, found := int64(0), false
	for f := wire.MessageFields(list); f.Next(); {
		if f.Number() != wire.FieldArrayValues {
			continue
		}
		if n == at {
			element, found = f.Body(), true
		}
		n++
	}
	if !found {
		return old, errBounds
	}
	inner, err := r.put(element, keys, v)
	mark := len(r.arena)
	out, body := wire.BeginMessage(r.arena, wire.FieldValueArray)
	n = 0
	for f := wire.MessageFields(list); f.Next(); {
		if f.Number() == wire.FieldArrayValues {
			if n++; n-1 == at {
				out = wire.AppendBytes(out, wire.FieldArrayValues, inner)
				continue
			}
		}
		out = append(out, f.Framed()...)
	}
	return r.keep(wire.EndMessage(out, body), mark), err
}
