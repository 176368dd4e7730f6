package wire

import (
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"
)

// An AttributeAction is what an AttributeOperation does.
type AttributeAction uint8

// The actions.
const (
	InsertAttribute AttributeAction = 1 + iota // only if the key is absent
	UpdateAttribute                            // only if the key is present
	UpsertAttribute                            // in either case
	RenameAttribute                            // as Item.RenameAttribute
	DeleteAttribute                            // as Item.DeleteAttribute
)

// An AttributeOperation is a step of an AttributeEdit.
type AttributeOperation struct {
	Action AttributeAction
	// Key is the attribute to change, or the new key of a renamed one.
	Key string
	// Value is the new value, unless From is set.
	Value Value
	// From is the attribute to rename, or to copy the value of. If it is absent nothing is done.
	From string
}

// An AttributeEdit is a compiled list of operations. It is immutable and safe for concurrent use.
type AttributeEdit struct{ steps []attributeStep }

type attributeStep struct {
	action    AttributeAction
	key, from string
	value     []byte // AnyValue body
}

// NewAttributeEdit compiles operations, which are done in order.
func NewAttributeEdit(operations ...AttributeOperation) (*AttributeEdit, error) {
	e := &AttributeEdit{}
	for i, o := range operations {
		if err := o.check(); err != nil {
			return nil, fmt.Errorf("cannot use operation %d on attribute %q: %w", i, o.Key, err)
		}
		s := attributeStep{action: o.Action, key: o.Key, from: o.From}
		if o.From == "" && o.Action <= UpsertAttribute {
			s.value = o.Value.appendBody([]byte{})
		}
		e.steps = append(e.steps, s)
	}
	return e, nil
}

// check finds contradictions, and strings that would make a request irregular.
func (o AttributeOperation) check() error {
	hasValue := o.Value.Kind() != ValueEmpty
	switch o.Action {
	case InsertAttribute, UpdateAttribute, UpsertAttribute:
		if hasValue && o.From != "" {
			return errors.New("it has both a value and an attribute to take it from")
		}
	case RenameAttribute:
		if o.From == "" || hasValue {
			return errors.New("a renaming needs the attribute that is renamed and no value")
		}
	case DeleteAttribute:
		if o.From != "" || hasValue {
			return errors.New("a deletion takes neither a value nor another attribute")
		}
	default:
		return fmt.Errorf("unknown action %d", o.Action)
	}
	if !utf8.ValidString(o.Key) || !utf8.Valid(o.Value.Str()) {
		return errors.New("key or value is not valid UTF-8")
	}
	return nil
}

// Apply edits an item. It is a callback for EditItems and EditMetrics.
func (e *AttributeEdit) Apply(it *Item) {
	it.parse()
	for i := range e.steps {
		s := &e.steps[i]
		switch s.action {
		case RenameAttribute:
			it.RenameAttribute(s.from, s.key)
			continue
		case DeleteAttribute:
			it.DeleteAttribute(s.key)
			continue
		}
		to := it.index(s.key)
		if to < 0 && s.action == UpdateAttribute || to >= 0 && s.action == InsertAttribute {
			continue
		}
		value := s.value
		if s.from != "" {
			from := it.index(s.from)
			if from < 0 || from == to {
				continue
			}
			value = it.valueOf(&it.list[from])
		}
		it.put(to, s.key, value)
	}
}

// items are for AppendResource.
var items = sync.Pool{New: func() any { return new(Item) }}

// AppendResource appends a Resource body with edited attributes and returns true, or dst and false if nothing
// changed. It is a callback for EditResources.
func (e *AttributeEdit) AppendResource(dst, resource []byte) ([]byte, bool) {
	it := items.Get().(*Item)
	it.become(msgResource)
	it.reset(resource)
	e.Apply(it)
	changed := it.changed
	if changed {
		dst = it.render(dst)
	}
	it.release()
	items.Put(it)
	return dst, changed
}
