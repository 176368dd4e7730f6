package wire

import "bytes"

// A keyValue is a KeyValue body that ends with its value and holds nothing but a key and a value.
type keyValue struct {
	body, key, value []byte
}

// newKeyValue takes a body apart whose key, of n bytes, comes first.
func newKeyValue(body []byte, n int) keyValue {
	start := 1 + SizeVarint(uint64(n))
	kv := keyValue{body: body, key: body[start : start+n : start+n]}
	if start+n < len(body) {
		kv.value, _ = view(body, start+n+1)
	}
	return kv
}

// appendKeyValueBody appends the body of a KeyValue.
func appendKeyValueBody(dst []byte, key string, v Value) []byte {
	dst = AppendString(dst, FieldKeyValueKey, key)
	return AppendValue(dst, FieldKeyValueValue, v)
}

// keyValue writes a KeyValue of a key and the body of an AnyValue, nil for none.
func (it *Item) keyValue(key string, value []byte) keyValue {
	mark := len(it.scratch)
	it.scratch = AppendString(it.scratch, FieldKeyValueKey, key)
	if value != nil {
		it.scratch = AppendBytes(it.scratch, FieldKeyValueValue, value)
	}
	return newKeyValue(it.scratch[mark:len(it.scratch):len(it.scratch)], len(key))
}

// parse lists the attributes of body.
func (it *Item) parse() {
	if it.listed {
		return
	}
	it.listed = true
	l := it.list[:0]
	for a := (Attributes{list: list{b: it.body, tag: it.tag}}); a.Next(); {
		frame := a.start - 1 - SizeVarint(uint64(a.pos-a.start))
		l = append(l, attribute{start: frame, end: a.pos, key: a.key, value: a.value})
	}
	it.list = l
}

// index finds the first attribute of a key, -1 if there is none.
func (it *Item) index(key string) int {
	for i := range it.list {
		if a := &it.list[i]; string(a.key) == key && !a.deleted {
			return i
		}
	}
	return -1
}

// put gives the value of kv to the attribute at i, which has its key; below 0 it adds kv.
func (it *Item) put(i int, kv keyValue) {
	if i >= 0 {
		if !bytes.Equal(it.list[i].value, kv.value) {
			it.replace(i, kv)
		}
		return
	}
	at := len(it.body)
	if n := len(it.list); n > 0 {
		at = it.list[n-1].end
	}
	it.list = append(it.list, attribute{start: at, end: at, key: kv.key, value: kv.value, edited: kv.body})
	it.pending, it.changed = true, true
}

// replace writes kv in the place of the attribute at i.
func (it *Item) replace(i int, kv keyValue) {
	a := &it.list[i]
	old := a.edited
	if old == nil {
		old, _ = view(it.body, a.start+1)
	}
	if len(old) > size(a.key)+size(a.value) {
		kv.body = it.withUnknown(kv.body, old)
	}
	a.key, a.value, a.edited = kv.key, kv.value, kv.body
	it.pending, it.changed = true, true
}

// delete deletes the attribute at i.
func (it *Item) delete(i int) {
	it.list[i].deleted = true
	it.pending, it.changed = true, true
}

// size returns the size of a length-delimited field, 0 if there is none.
func size(body []byte) int {
	if body == nil {
		return 0
	}
	return 1 + SizeVarint(uint64(len(body))) + len(body)
}

// withUnknown returns a KeyValue body followed by the fields of another that are neither key nor value.
func (it *Item) withUnknown(body, old []byte) []byte {
	mark := len(it.scratch)
	it.scratch = append(it.scratch, body...)
	for f := MessageFields(old); f.Next(); {
		if f.Number() != FieldKeyValueKey && f.Number() != FieldKeyValueValue {
			it.scratch = append(it.scratch, f.Framed()...)
		}
	}
	return it.scratch[mark:len(it.scratch):len(it.scratch)]
}

// render appends the body with the pending edits.
func (it *Item) render(dst []byte) []byte {
	if !it.pending {
		return append(dst, it.body...)
	}
	taken := 0
	for i := range it.list {
		a := &it.list[i]
		if a.edited == nil && !a.deleted {
			continue
		}
		dst = append(dst, it.body[taken:a.start]...)
		taken = a.end
		if !a.deleted {
			dst = append(dst, it.tag)
			dst = AppendVarint(dst, uint64(len(a.edited)))
			dst = append(dst, a.edited...)
		}
	}
	return append(dst, it.body[taken:]...)
}
