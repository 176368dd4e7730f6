package resource

import (
	"bytes"
	"regexp"
	"slices"

	"github.com/sluiceio/sluice/wire"
)

// action is a compiled Action: value is the whole framed KeyValue field.
type action struct {
	key            []byte
	from           string
	context        string // what of the request value is made of
	insert, update bool
	remove         bool
	pattern        *regexp.Regexp // of remove; nil: none
	value          []byte
}

func compile(a Action) action {
	c := action{key: []byte(a.Key), from: a.FromAttribute, context: a.FromContext}
	switch a.Action {
	case actionInsert:
		c.insert = true
	case actionUpdate:
		c.update = true
	case actionUpsert:
		c.insert, c.update = true, true
	case actionDelete:
		c.remove = true
		if a.Pattern != "" {
			c.pattern = regexp.MustCompile(a.Pattern)
		}
	}
	const f = wire.FieldResourceAttributes
	switch v := a.Value.(type) {
	case string:
		c.value = wire.AppendStringAttribute(nil, f, a.Key, v)
	case bool:
		c.value = wire.AppendBoolAttribute(nil, f, a.Key, v)
	case int:
		c.value = wire.AppendIntAttribute(nil, f, a.Key, int64(v))
	case int64:
		c.value = wire.AppendIntAttribute(nil, f, a.Key, v)
	case float64:
		c.value = wire.AppendDoubleAttribute(nil, f, a.Key, v)
	}
	return c
}

// edit is the slow path, and the reference for tests of the cache. Of a repeated key the first occurrence counts,
// as in the Collector.
func edit(resource []byte, actions []action) ([]byte, bool) {
	changed := false
	for i := range actions {
		out, did := actions[i].apply(resource)
		if did {
			resource, changed = out, true
		}
	}
	if !changed {
		return nil, false
	}
	return resource, true
}

// apply does one action on a resource and reports whether it changed.
func (a *action) apply(resource []byte) ([]byte, bool) {
	value := a.value
	if a.from != "" {
		if value = copyValue(resource, a.from, a.key); value == nil {
			return nil, false
		}
	}
	out := make([]byte, 0, len(resource)+len(value))
	found, changed := false, false
	for f := wire.MessageFields(resource); f.Next(); {
		attribute := f.Number() == wire.FieldResourceAttributes
		if attribute && a.matches(f.Body()) {
			changed = true
			continue
		}
		if found || !attribute || !a.names(f.Body()) {
			out = append(out, f.Framed()...)
			continue
		}
		found = true
		switch {
		case a.remove:
			changed = true
		case a.update && !bytes.Equal(f.Framed(), value):
			out = append(out, value...)
			changed = true
		default:
			out = append(out, f.Framed()...)
		}
	}
	if !found && a.insert {
		return append(out, value...), true
	}
	return out, changed
}

func (a *action) names(keyValue []byte) bool {
	key, _ := wire.ParseKeyValue(keyValue)
	return bytes.Equal(key, a.key)
}

func (a *action) matches(keyValue []byte) bool {
	if a.pattern == nil {
		return false
	}
	key, _ := wire.ParseKeyValue(keyValue)
	return a.pattern.Match(key)
}

// copyValue is a KeyValue field named key with another attribute's value; nil if that is absent.
func copyValue(resource []byte, from string, key []byte) []byte {
	for attrs := wire.ResourceAttributes(resource); attrs.Next(); {
		if string(attrs.Key()) != from {
			continue
		}
		kv, mark := wire.BeginMessage(nil, wire.FieldResourceAttributes)
		kv = wire.AppendBytes(kv, wire.FieldKeyValueKey, key)
		for f := wire.MessageFields(attrs.Bytes()); f.Next(); {
			if f.Number() != wire.FieldKeyValueKey {
				kv = append(kv, f.Framed()...)
			}
		}
		return slices.Clip(wire.EndMessage(kv, mark))
	}
	return nil
}
