package wire

import "bytes"

// An attribute is a KeyValue of an item, in offsets, which are cheap to write.
type attribute struct {
	frame, end      uint32 // of the KeyValue's frame in the item's body; equal for one that was added
	key, keyEnd     uint32 // in the text
	value, valueEnd uint32 // AnyValue body, in the text
	state           attributeState
	whole, wholeEnd uint32 // KeyValue body in scratch, set only if edited
}

// attributeState also says what the offsets refer to: the item's body, or scratch.
type attributeState uint8

const (
	attributeCame attributeState = iota
	attributeEdited
	attributeDeleted
)

// absent is the offset of a missing key or value.
const absent = ^uint32(0)

func (it *Item) parse() {
	if it.listed {
		return
	}
	it.listed = true
	b, n := it.body, 0
	for pos := 0; pos < len(b); {
		if b[pos] != it.tag {
			pos = skip(b, pos)
			continue
		}
		if n == len(it.list) {
			it.list = append(it.list, attribute{})
		}
		// Filled in place: moving a struct of small fields right after writing it costs more than the rest.
		a := &it.list[n]
		n++
		a.state, a.frame = attributeCame, uint32(pos)
		// The same fast path as in Attributes.Next.
		if pos+6 <= len(b) && b[pos+1] < 0x80 {
			end, second := pos+2+int(b[pos+1]), pos+4+int(b[pos+3])
			if end <= len(b) && second+2 <= end && int(b[second+1]) == end-second-2 {
				switch uint16(b[pos+2])<<8 | uint16(b[second]) {
				case keyTag<<8 | valueTag:
					a.key, a.keyEnd = uint32(pos+4), uint32(second)
					a.value, a.valueEnd = uint32(second+2), uint32(end)
					a.end, pos = uint32(end), end
					continue
				case valueTag<<8 | keyTag:
					a.value, a.valueEnd = uint32(pos+4), uint32(second)
					a.key, a.keyEnd = uint32(second+2), uint32(end)
					a.end, pos = uint32(end), end
					continue
				}
			}
		}
		*a = slowAttribute(b, pos)
		pos = int(a.end)
	}
	it.list = it.list[:n]
}

// slowAttribute reads a KeyValue of any shape.
func slowAttribute(b []byte, pos int) attribute {
	start, end := long(b, pos+1)
	a := attribute{frame: uint32(pos), end: uint32(end), key: absent, keyEnd: absent, value: absent, valueEnd: absent}
	for pos := start; pos < end; {
		at, next := pos+1, skip(b[:end], pos)
		switch b[pos] {
		case keyTag:
			at, _ = long(b[:end], at)
			a.key, a.keyEnd = uint32(at), uint32(next)
		case valueTag:
			at, _ = long(b[:end], at)
			a.value, a.valueEnd = uint32(at), uint32(next)
		}
		pos = next
	}
	return a
}

// text returns what the offsets of an attribute refer to.
func (it *Item) text(a *attribute) []byte {
	if a.state == attributeEdited {
		return it.scratch
	}
	return it.body
}

// valueOf returns the AnyValue body of an attribute, or nil.
func (it *Item) valueOf(a *attribute) []byte {
	if a.value == absent {
		return nil
	}
	return it.text(a)[a.value:a.valueEnd:a.valueEnd]
}

// index finds the first attribute with the key, or -1.
func (it *Item) index(key string) int {
	for i := range it.list {
		a := &it.list[i]
		if int(a.keyEnd-a.key) == len(key) && a.state != attributeDeleted && string(it.keyOf(a)) == key {
			return i
		}
	}
	return -1
}

func (it *Item) keyOf(a *attribute) []byte {
	if a.key == absent {
		return nil
	}
	return it.text(a)[a.key:a.keyEnd:a.keyEnd]
}

// write encodes an attribute with a key and a value body, nil for none, into scratch. The caller handles its frame
// and other fields.
func (it *Item) write(a *attribute, key string, value []byte) {
	s := it.scratch
	a.state, a.whole = attributeEdited, uint32(len(s))
	s = AppendString(s, FieldKeyValueKey, key)
	a.key, a.keyEnd = uint32(len(s)-len(key)), uint32(len(s))
	a.value, a.valueEnd = absent, absent
	if value != nil {
		s = AppendBytes(s, FieldKeyValueValue, value)
		a.value, a.valueEnd = uint32(len(s)-len(value)), uint32(len(s))
	}
	a.wholeEnd = uint32(len(s))
	it.scratch = s
	it.pending, it.changed = true, true
}

// put sets the attribute at i, or adds one if i is negative.
func (it *Item) put(i int, key string, value []byte) {
	if i >= 0 {
		if !bytes.Equal(it.valueOf(&it.list[i]), value) {
			it.replace(i, key, value)
		}
		return
	}
	at := uint32(len(it.body))
	if n := len(it.list); n > 0 {
		at = it.list[n-1].end
	}
	it.list = append(it.list, attribute{})
	a := &it.list[len(it.list)-1]
	a.frame, a.end = at, at
	it.write(a, key, value)
}

func (it *Item) replace(i int, key string, value []byte) {
	a := &it.list[i]
	var whole []byte
	if a.state == attributeEdited {
		whole = it.scratch[a.whole:a.wholeEnd]
	} else {
		whole, _ = view(it.body, int(a.frame)+1)
	}
	more := len(whole) > size(a.key, a.keyEnd)+size(a.value, a.valueEnd)
	it.write(a, key, value)
	if !more {
		return
	}
	for f := MessageFields(whole); f.Next(); {
		if f.Number() != FieldKeyValueKey && f.Number() != FieldKeyValueValue {
			it.scratch = append(it.scratch, f.Framed()...)
		}
	}
	a.wholeEnd = uint32(len(it.scratch))
}

func size(start, end uint32) int {
	if start == absent {
		return 0
	}
	return 1 + SizeVarint(uint64(end-start)) + int(end-start)
}

func (it *Item) delete(i int) {
	it.list[i].state = attributeDeleted
	it.pending, it.changed = true, true
}

// render appends the body with the pending edits.
func (it *Item) render(dst []byte) []byte {
	if !it.pending {
		return append(dst, it.body...)
	}
	taken := uint32(0)
	for i := range it.list {
		a := &it.list[i]
		if a.state == attributeCame {
			continue
		}
		dst = append(dst, it.body[taken:a.frame]...)
		taken = a.end
		if a.state == attributeEdited {
			dst = append(dst, it.tag)
			dst = AppendVarint(dst, uint64(a.wholeEnd-a.whole))
			dst = append(dst, it.scratch[a.whole:a.wholeEnd]...)
		}
	}
	return append(dst, it.body[taken:]...)
}
