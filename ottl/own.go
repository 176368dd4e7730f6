package ottl

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/sluiceio/sluice/wire"
)

// Functions of ours, which contrib does not have: what the processors attributes and resource do and OTTL cannot say, since to
// it an attribute without a value is absent.
var (
	ownEditors = map[string]function{
		"copy_key":           {params: []parameter{p("target", argMapPlace), p("from", argText), p("to", argText)}, editor: copyKey},
		"convert_key":        {params: []parameter{p("target", argMapPlace), p("key", argText), p("type", argText)}, editor: convertKey},
		"hash_key":           {params: []parameter{p("target", argMapPlace), p("key", argText)}, editor: hashKey},
		"hash_matching_keys": {params: []parameter{p("target", argMapPlace), p("pattern", argString)}, editor: hashMatchingKeys},
	}
	ownConverters = map[string]function{
		"HasKey": {params: []parameter{p("target", argMap), p("key", argText)}, conv: hasKey},
	}
)

func hasKey(c call) getter {
	target, name := c.args[0].expression, c.args[1].text
	if target.place != nil && target.place.all {
		s := target.place.slot
		return func(r *record) (value, error) {
			_, has := r.at(s).Attribute(name)
			return boolValue(has), nil
		}
	}
	return func(r *record) (value, error) {
		m, err := target.mapping(r)
		if err != nil {
			return value{}, err
		}
		_, has := m.get([]byte(name))
		return boolValue(has), nil
	}
}

// slotOf is the message whose attributes a target is; it must be all of them.
func (c call) slotOf(a *argument) slot {
	if a.place == nil {
		return slotItem // a fault already
	}
	if !a.place.all {
		c.fault(a.at, "this function takes only attributes")
	}
	return a.place.slot
}

// copyKey copies a value, also of an attribute that has none.
func copyKey(c call) action {
	s, from, to := c.slotOf(&c.args[0]), c.args[1].text, c.args[2].text
	return func(r *record) error {
		it := r.at(s)
		if v, has := it.Attribute(from); has {
			it.SetAttribute(to, v)
		}
		return nil
	}
}

// convertKey makes a value an int, a double or a string; what cannot be one stays.
func convertKey(c call) action {
	s, name, to := c.slotOf(&c.args[0]), c.args[1].text, c.args[2].text
	convert, ok := map[string]func(*record, wire.Value) (wire.Value, bool){"int": inted, "double": doubled, "string": texted}[to]
	if !ok {
		c.fault(c.args[2].at, "the type is %q; write int, double or string", to)
	}
	return func(r *record) error {
		it := r.at(s)
		if v, has := it.Attribute(name); has {
			if out, ok := convert(r, v); ok {
				it.SetAttribute(name, out)
			}
		}
		return nil
	}
}

func texted(r *record, v wire.Value) (wire.Value, bool) {
	if v.Kind() == wire.ValueString {
		return v, false
	}
	mark := len(r.arena)
	return wire.StringValue(r.keep(v.AppendText(r.arena), mark)), true
}

func inted(_ *record, v wire.Value) (wire.Value, bool) {
	switch v.Kind() {
	case wire.ValueDouble:
		return wire.IntValue(int64(v.Double())), true
	case wire.ValueBool:
		return wire.IntValue(int64(one(v.Bool()))), true
	case wire.ValueString:
		n, err := strconv.ParseInt(string(v.Str()), 10, 64)
		return wire.IntValue(n), err == nil
	}
	return v, false
}

func doubled(_ *record, v wire.Value) (wire.Value, bool) {
	switch v.Kind() {
	case wire.ValueInt:
		return wire.DoubleValue(float64(v.Int())), true
	case wire.ValueBool:
		return wire.DoubleValue(one(v.Bool())), true
	case wire.ValueString:
		f, err := strconv.ParseFloat(string(v.Str()), 64)
		return wire.DoubleValue(f), err == nil
	}
	return v, false
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func hashKey(c call) action {
	s, name := c.slotOf(&c.args[0]), c.args[1].text
	return func(r *record) error {
		it := r.at(s)
		if v, has := it.Attribute(name); has {
			it.SetAttribute(name, wire.StringValue(r.hash(v)))
		}
		return nil
	}
}

func hashMatchingKeys(c call) action {
	c.slotOf(&c.args[0])
	target, of := &c.args[0], c.pattern(c.args[1], asItIs)
	edit := func(r *record, e *entry) (err error) {
		if r.pattern.Match(e.key) {
			e.body, err = r.any(textValue(r.hash(e.val)))
		}
		return err
	}
	return func(r *record) (err error) {
		if r.pattern, err = of.of(r); err != nil {
			return err
		}
		return r.rewrite(target, edit)
	}
}

// hash is the SHA-256 of a value as contrib's attributes processor has it: of numbers in little endian; nothing of maps, lists and
// bytes.
func (r *record) hash(v wire.Value) []byte {
	var number [8]byte
	in := number[:]
	switch x := fromWire(v); x.kind {
	case kindString:
		in = x.b
	case kindBool:
		if in = number[:1]; x.bool() {
			in[0] = 1
		}
	case kindInt, kindDouble:
		binary.LittleEndian.PutUint64(in, x.n)
	default:
		return []byte{}
	}
	sum := sha256.Sum256(in)
	mark := len(r.arena)
	return r.keep(appendHex(r.arena, sum[:]), mark)
}
