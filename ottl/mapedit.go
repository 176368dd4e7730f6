package ottl

import (
	"bytes"

	"github.com/sluiceio/sluice/wire"
)

// An entry of a map that is rewritten. An edit sets drop, key or body, or nothing.
type entry struct {
	key, body []byte // body is an AnyValue's
	val       wire.Value
	drop      bool
}

// rewrite gives the map in the target with each entry edited. A map in which nothing changes is left alone.
func (r *record) rewrite(target *argument, edit func(*record, *entry) error) error {
	m, err := target.mapping(r)
	if err != nil {
		return err
	}
	changed := false
	out := r.build[:0]
	for c := m.entries(); c.Next(); {
		e := &r.entry // an entry of its own would be allocated
		*e = entry{key: c.Key(), val: c.Value()}
		if err := edit(r, e); err != nil {
			return err
		}
		switch {
		case e.drop:
			changed = true
		case e.body != nil || !bytes.Equal(e.key, c.Key()):
			changed = true
			if e.body == nil {
				e.body = wire.FindBytes(c.Bytes(), wire.FieldKeyValueValue)
			}
			out = appendEntry(out, m.tag, c.Bytes(), e.key, e.body)
		default:
			out = wire.AppendBytes(out, int(m.tag>>3), c.Bytes())
		}
	}
	r.build = out
	switch {
	case !changed:
		return nil
	case len(out) > maxSize:
		return errBig
	}
	return r.setMap(target, out, m.tag)
}

// setMap sets a map whose entries have the given tag.
func (r *record) setMap(target *argument, run []byte, tag byte) error {
	if target.place.all && r.at(target.place.slot).AttributeTag() == tag {
		r.at(target.place.slot).SetAttributes(run)
		return nil
	}
	mark := len(r.arena)
	return target.place.set(r, value{b: r.keep(append(r.arena, run...), mark), kind: kindMap, tag: tag})
}

// rewriteKeys is rewrite where entries may come to have equal keys: as in contrib, the last value then takes the
// first one's place.
func (r *record) rewriteKeys(target *argument, edit func(*record, *entry) error) error {
	if err := r.rewrite(target, edit); err != nil {
		return err
	}
	m, err := target.mapping(r)
	if err != nil {
		return err
	}
	x, changed := &r.keys, false
	x.reset()
	for c := m.entries(); c.Next(); {
		if i := x.find(c.Key()); i >= 0 {
			x.items[i].entry, changed = c.Bytes(), true
		} else {
			x.add(indexed{key: c.Key(), entry: c.Bytes()})
		}
	}
	out := r.build[:0]
	for i := range x.items {
		out = wire.AppendBytes(out, int(m.tag>>3), x.items[i].entry)
	}
	r.build = out
	if !changed {
		return nil
	}
	return r.setMap(target, out, m.tag)
}
