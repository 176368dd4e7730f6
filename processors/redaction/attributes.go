package redaction

import (
	"bytes"

	"github.com/sluiceio/sluice/wire"
)

// A change is to the attribute, entry or element at an index.
type change struct {
	index  int
	value  wire.Value
	remove bool
}

// attributes edits the attributes of a message, and says in them what was done.
func (r *run) attributes(it *wire.Item) {
	r.arena, r.changes = r.arena[:0], r.changes[:0]
	r.tally.reset()
	i := 0
	for a := it.Attributes(); a.Next(); i++ {
		r.attribute(i, a.Key(), a.Value())
	}
	if len(r.changes) > 0 {
		r.rewrite(it)
	}
	r.summarize(it, &attributeNames)
}

// attribute decides what becomes of an attribute.
func (r *run) attribute(i int, key []byte, v wire.Value) {
	p := r.policy
	if r.ignores(key) {
		r.note(noteIgnored, key)
		return
	}
	if r.removes(key) {
		r.note(noteRedacted, key)
		r.changes = append(r.changes, change{index: i, remove: true})
		return
	}
	text := v.Str()
	if p.allTypes {
		text = r.text(v)
	}
	if p.allowedValues.match(text) {
		r.note(noteAllowed, key)
		return
	}
	masked, changed := []byte(nil), false
	if p.blockedKeys.match(key) {
		masked, changed = r.maskAll(text), true
	} else {
		masked, changed = r.process(text)
		if p.urls.cluster != nil && p.urls.keys.has(key) {
			masked = p.urls.clean(masked)
			changed = !bytes.Equal(masked, text)
		}
	}
	if changed {
		r.note(noteMasked, key)
		r.changes = append(r.changes, change{index: i, value: wire.StringValue(masked)})
	}
}

func (r *run) ignores(key []byte) bool {
	return r.policy.ignored.has(key) || r.policy.ignoredKeys.match(key)
}

func (r *run) removes(key []byte) bool { return !r.policy.allowAll && !r.policy.allowed.has(key) }

// text is the value as text.
func (r *run) text(v wire.Value) []byte {
	if v.Kind() == wire.ValueString {
		return v.Str()
	}
	mark := len(r.arena)
	r.arena = v.AppendText(r.arena)
	return r.made(mark)
}

// made is what was appended to the arena from mark on.
func (r *run) made(mark int) []byte { return r.arena[mark:len(r.arena):len(r.arena)] }

// rewrite makes the changes.
func (r *run) rewrite(it *wire.Item) {
	out, i, todo, field := r.build[:0], 0, r.changes, int(it.AttributeTag()>>3)
	for a := it.Attributes(); a.Next(); i++ {
		if len(todo) == 0 || todo[0].index != i {
			out = wire.AppendBytes(out, field, a.Bytes())
			continue
		}
		if !todo[0].remove {
			out = appendMasked(out, field, a.Bytes(), todo[0].value)
		}
		todo = todo[1:]
	}
	r.build = out
	it.SetAttributes(out)
}

// appendMasked appends a KeyValue with another value, as a field.
func appendMasked(dst []byte, field int, keyValue []byte, value wire.Value) []byte {
	dst, mark := wire.BeginMessage(dst, field)
	for f := wire.MessageFields(keyValue); f.Next(); {
		if f.Number() != wire.FieldKeyValueValue {
			dst = append(dst, f.Framed()...)
		}
	}
	dst = wire.AppendValue(dst, wire.FieldKeyValueValue, value)
	return wire.EndMessage(dst, mark)
}
