package redaction

import (
	"strconv"

	"github.com/sluiceio/sluice/wire"
)

// log edits a log record: its attributes, and its body, of which its attributes then tell.
func (r *run) log(it *wire.Item) {
	r.attributes(it)
	r.arena, r.changes = r.arena[:0], r.changes[:0]
	r.tally.reset()
	r.path, r.depth = r.path[:0], 0
	if v, changed := r.value(wire.ParseValue(it.FindBytes(wire.FieldLogBody))); changed {
		mark := len(r.arena)
		r.arena = wire.AppendValue(r.arena, wire.FieldLogBody, v)
		it.SetField(r.made(mark))
	}
	r.summarize(it, &bodyNames)
}

// value is a value of a log body after the edit.
func (r *run) value(v wire.Value) (wire.Value, bool) {
	switch v.Kind() {
	case wire.ValueMap:
		return r.entries(v)
	case wire.ValueArray:
		return r.elements(v)
	}
	text := r.text(v)
	if r.policy.allowedValues.match(text) {
		if r.depth > 0 { // as in the Collector
			r.notePath(noteAllowed)
		}
		return v, false
	}
	masked, changed := r.process(text)
	if !changed {
		return v, false
	}
	r.notePath(noteMasked)
	return wire.StringValue(masked), true
}

func (r *run) entries(v wire.Value) (wire.Value, bool) {
	above, first, i := len(r.path), len(r.changes), 0
	r.depth++
	for e := v.Map(); e.Next(); i++ {
		key := e.Key()
		if r.policy.list {
			r.path = append(r.step(), key...)
		}
		switch {
		case r.ignores(key):
			r.notePath(noteIgnored)
		case r.removes(key):
			r.notePath(noteRedacted)
			r.changes = append(r.changes, change{index: i, remove: true})
		case r.policy.blockedKeys.match(key):
			r.notePath(noteMasked)
			r.changes = append(r.changes, change{index: i, value: wire.StringValue(r.maskAll(e.Value().Str()))})
		default:
			if to, changed := r.value(e.Value()); changed {
				r.changes = append(r.changes, change{index: i, value: to})
			}
		}
		r.path = r.path[:above]
	}
	r.depth--
	if len(r.changes) == first {
		return v, false
	}
	return wire.MapValue(r.rebuild(v, first, appendMasked)), true
}

func (r *run) elements(v wire.Value) (wire.Value, bool) {
	above, first, i := len(r.path), len(r.changes), 0
	r.depth++
	for e := v.Array(); e.Next(); i++ {
		if r.policy.list {
			r.path = append(strconv.AppendInt(append(r.step(), '['), int64(i), 10), ']')
		}
		if to, changed := r.value(e.Value()); changed {
			r.changes = append(r.changes, change{index: i, value: to})
		}
		r.path = r.path[:above]
	}
	r.depth--
	if len(r.changes) == first {
		return v, false
	}
	return wire.ListValue(r.rebuild(v, first, appendElement)), true
}

// rebuild is the content of a map or an array with the changes from first on, which are then done. Entries and elements
// are field 1 of both.
func (r *run) rebuild(v wire.Value, first int, put func(dst []byte, field int, before []byte, v wire.Value) []byte) []byte {
	mark, i, todo := len(r.arena), 0, r.changes[first:]
	for f := wire.MessageFields(v.Payload()); f.Next(); {
		if f.Number() != wire.FieldMapValues || len(todo) == 0 {
			r.arena = append(r.arena, f.Framed()...)
			continue
		}
		if todo[0].index != i {
			r.arena = append(r.arena, f.Framed()...)
		} else {
			if !todo[0].remove {
				r.arena = put(r.arena, wire.FieldMapValues, f.Body(), todo[0].value)
			}
			todo = todo[1:]
		}
		i++
	}
	r.changes = r.changes[:first]
	return r.made(mark)
}

// appendElement appends an element of an array in place of another.
func appendElement(dst []byte, field int, _ []byte, v wire.Value) []byte {
	return wire.AppendValue(dst, field, v)
}

// step is the path, ready for the name of what is in the current value.
func (r *run) step() []byte {
	if r.depth > 1 {
		return append(r.path, '.')
	}
	return r.path
}

// notePath is note for the current value.
func (r *run) notePath(what int) {
	var key []byte
	switch {
	case r.depth == 0:
		key = bodyKey
	case r.policy.list:
		mark := len(r.arena)
		r.arena = append(r.arena, r.path...)
		key = r.made(mark)
	}
	r.note(what, key)
}

var bodyKey = []byte("body")
