package ottl

import (
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/wire"
)

// wrongKind are the errors of a value of another type than wanted, made once.
var wrongKind = func() (out [kindCount][kindCount]error) {
	for want := range out {
		for got := range out[want] {
			out[want][got] = typeError(fmt.Sprintf("expected %s but got %s", kindNames[want], kindNames[got]))
		}
	}
	return out
}()

// A typeError says that a value has another type than wanted. Is... converters answer false to it.
type typeError string

func (e typeError) Error() string { return string(e) }

func (v value) must(k kind) error {
	if v.kind != k {
		return wrongKind[k][v.kind]
	}
	return nil
}

func (r *record) bytes(s slot, number int) []byte {
	if s == slotMetric {
		return wire.FindBytes(r.item.Metric(), number)
	}
	return r.at(s).FindBytes(number)
}

func (r *record) number(s slot, number int) uint64 {
	if s == slotMetric {
		n, _ := wire.FindNumber(r.item.Metric(), number)
		return n
	}
	n, _ := r.at(s).FindNumber(number)
	return n
}

// write sets a field that was appended to the arena from mark on.
func (r *record) write(s slot, arena []byte, mark int) {
	r.at(s).SetField(r.keep(arena, mark))
}

func textField(s slot, number int) place {
	return place{
		get: func(r *record) (value, error) { return textValue(r.bytes(s, number)), nil },
		set: func(r *record, v value) error {
			if v.kind != kindString {
				return v.must(kindString)
			}
			if len(v.b) > maxSize {
				return errBig
			}
			r.write(s, wire.AppendBytes(r.arena, number, v.b), len(r.arena))
			return nil
		},
	}
}

// An encoding is how a whole number is stored.
type encoding uint8

const (
	enum    encoding = iota // varint, int32
	count32                 // varint, uint32
	flags32                 // fixed32
	fixed64
)

func (e encoding) append(dst []byte, number int, n int64) []byte {
	switch e {
	case enum:
		return wire.AppendUint(dst, number, uint64(int64(int32(n))))
	case count32:
		return wire.AppendUint(dst, number, uint64(uint32(n)))
	case flags32:
		return wire.AppendFixed32(dst, number, uint32(n))
	}
	return wire.AppendFixed64(dst, number, uint64(n))
}

func (e encoding) read(n uint64) int64 {
	switch e {
	case enum:
		return int64(int32(n))
	case count32, flags32:
		return int64(uint32(n))
	}
	return int64(n)
}

func intField(s slot, number int, e encoding) place {
	return place{
		get: func(r *record) (value, error) { return intValue(e.read(r.number(s, number))), nil },
		set: func(r *record, v value) error {
			if v.kind != kindInt {
				return v.must(kindInt)
			}
			r.write(s, e.append(r.arena, number, v.int()), len(r.arena))
			return nil
		},
	}
}

// timeField is a time in ns, as a time.
func timeField(s slot, number int) place {
	return place{
		get: func(r *record) (value, error) { return value{n: r.number(s, number), kind: kindTime}, nil },
		set: func(r *record, v value) error {
			if v.kind != kindTime {
				return v.must(kindTime)
			}
			r.write(s, wire.AppendFixed64(r.arena, number, v.n), len(r.arena))
			return nil
		},
	}
}

var noID [16]byte

func idField(s slot, number int, k kind) place {
	size := idSize(k)
	return place{
		get: func(r *record) (value, error) {
			b := r.bytes(s, number)
			if len(b) != size {
				b = noID[:size]
			}
			return value{b: b, kind: k}, nil
		},
		set: func(r *record, v value) error {
			if v.kind != k {
				return v.must(k)
			}
			b := v.b
			if string(b) == string(noID[:size]) {
				b = nil
			}
			r.write(s, wire.AppendBytes(r.arena, number, b), len(r.arena))
			return nil
		},
	}
}

func idSize(k kind) int {
	if k == kindTraceID {
		return 16
	}
	return 8
}

var errBadID = errors.New("a trace id is 32 hex digits and a span id 16")

// idTextField is an id in hex.
func idTextField(s slot, number int, k kind) place {
	id, size := idField(s, number, k), idSize(k)
	return place{
		get: func(r *record) (value, error) {
			v, _ := id.get(r)
			mark := len(r.arena)
			return textValue(r.keep(appendHex(r.arena, v.b), mark)), nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindString {
				return v.must(kindString)
			}
			var room [16]byte
			b, ok := unhex(room[:size], v.b)
			if !ok {
				return errBadID
			}
			mark := len(r.arena)
			return id.set(r, value{b: r.keep(append(r.arena, b...), mark), kind: k})
		},
	}
}

func unhex(dst, text []byte) ([]byte, bool) {
	if len(text) != 2*len(dst) {
		return nil, false
	}
	_, err := hex.Decode(dst, text)
	return dst, err == nil
}

// attributes are all attributes of a message.
func attributes(s slot) place {
	return place{
		all: true, slot: s,
		get: func(r *record) (value, error) {
			it := r.at(s)
			return value{b: it.Bytes(), kind: kindMap, tag: it.AttributeTag()}, nil
		},
		set: func(r *record, v value) error {
			if v.kind != kindMap {
				return v.must(kindMap)
			}
			if err := v.bounded(); err != nil {
				return err
			}
			it := r.at(s)
			tag, mark, out := it.AttributeTag(), len(r.arena), r.arena
			for c := v.entries(); c.Next(); {
				out = wire.AppendBytes(out, int(tag>>3), c.Bytes())
			}
			it.SetAttributes(r.keep(out, mark))
			return nil
		},
	}
}

// attribute is what the keys lead to in the attributes of a message.
func attribute(s slot, keys []key) place {
	first, rest := keys[0], keys[1:]
	if first.literal != kindString {
		return place{
			get: func(r *record) (value, error) {
				it := r.at(s)
				return r.into(value{b: it.Bytes(), kind: kindMap, tag: it.AttributeTag()}, keys)
			},
			set: func(r *record, v value) error {
				name, err := first.asText(r)
				if err != nil {
					return err
				}
				return r.setAttribute(r.at(s), string(name), rest, v)
			},
		}
	}
	name := first.text
	p := place{set: func(r *record, v value) error { return r.setAttribute(r.at(s), name, rest, v) }}
	if len(rest) == 0 {
		p.get = func(r *record) (value, error) {
			w, _ := r.at(s).Attribute(name)
			return fromWire(w), nil
		}
		return p
	}
	p.get = func(r *record) (value, error) {
		w, ok := r.at(s).Attribute(name)
		if !ok {
			return value{}, nil
		}
		return r.into(fromWire(w), rest)
	}
	return p
}

func (r *record) setAttribute(it *wire.Item, name string, rest []key, v value) error {
	if err := v.bounded(); err != nil {
		return err // what is there stays
	}
	old, have := wire.Value{}, false
	if len(rest) > 0 || v.kind > kindSlice { // what is there now matters only then
		old, have = it.Attribute(name)
	}
	var body []byte
	if have {
		body, _ = r.any(fromWire(old))
	}
	body, err := r.put(body, rest, v)
	if err != nil && have && len(rest) == 0 {
		return err
	}
	it.SetAttribute(name, wire.ParseValue(body))
	return err
}
