package ottl

import (
	"github.com/sluiceio/sluice/wire"
)

// A slot is a message that paths reach from a record.
type slot uint8

const (
	slotItem     slot = iota // the log record, span, metric, data point or span event itself
	slotSpan                 // the span of a span event
	slotMetric               // the metric of a data point, which can only be read
	slotResource             // also of the resource itself in its own context
	slotScope
)

// A record is what a program runs over, with the edits so far. It is reused for all records of a request, and for the
// next request.
type record struct {
	item *wire.Item // in slotItem
	span *wire.Item

	resource, scope         wire.Item // open if resourceOpen, scopeOpen
	resourceOpen, scopeOpen bool
	resourceAt, scopeAt     int    // indices in the request
	resourceX, scopeX       []byte // the messages around them
	resourceIn, scopeIn     []byte // as they came, or as an earlier record left them
	event                   wire.Item
	eventIndex              int

	headers headers
	client  client

	arena []byte // values made for the current record; it only grows, so that views stay valid
	cache []byte // entries of the cache map
	build []byte // a map that is being rewritten

	// of the running editor
	entry       entry
	keys        keyIndex
	pattern     *pattern
	replacement []byte
	input       []byte // of a converter that is an argument
	words       [][]byte
	joined      [][]byte
	count       int64
}

// maxArena is the capacity kept after a rare huge record.
const maxArena = 1 << 20

// headers are the Resources and InstrumentationScopes that records changed, by their index in the request.
type headers struct {
	resource, scope map[int][]byte
}

func (h *headers) any() bool { return len(h.resource)+len(h.scope) > 0 }

// begin makes the item the current record.
func (r *record) begin(it *wire.Item) {
	r.item = it
	r.fresh()
	rs, sc, _ := it.Place()
	if rs != r.resourceAt {
		r.leaveResource()
		r.resourceAt, r.resourceX, r.resourceIn = rs, it.ResourceX(), it.Resource()
	}
	if sc != r.scopeAt {
		r.leaveScope()
		r.scopeAt, r.scopeX, r.scopeIn = sc, it.ScopeX(), it.Scope()
	}
}

// fresh forgets what was made for the record before.
func (r *record) fresh() { r.arena, r.cache = r.arena[:0], r.cache[:0] }

// start forgets the request before.
func (r *record) start() {
	r.resourceAt, r.scopeAt, r.resourceOpen, r.scopeOpen = -1, -1, false, false
	clear(r.headers.resource)
	clear(r.headers.scope)
}

// end keeps nothing of the request.
func (r *record) end() {
	r.leaveResource()
	r.leaveScope()
	r.item, r.span = nil, nil
	r.resource.Open(wire.MessageResource, nil)
	r.scope.Open(wire.MessageScope, nil)
	r.event.Open(wire.MessageEvent, nil)
	r.resourceX, r.scopeX, r.resourceIn, r.scopeIn = nil, nil, nil, nil
	if cap(r.arena) > maxArena {
		r.arena = nil
	}
	if cap(r.cache) > maxArena {
		r.cache = nil
	}
}

func (r *record) leaveResource() {
	if r.resourceOpen && r.resource.Changed() {
		if r.headers.resource == nil {
			r.headers.resource = map[int][]byte{}
		}
		r.headers.resource[r.resourceAt] = append([]byte{}, r.resource.Bytes()...)
	}
	r.resourceOpen = false
}

func (r *record) leaveScope() {
	if r.scopeOpen && r.scope.Changed() {
		if r.headers.scope == nil {
			r.headers.scope = map[int][]byte{}
		}
		r.headers.scope[r.scopeAt] = append([]byte{}, r.scope.Bytes()...)
	}
	r.scopeOpen = false
}

// at returns the message in a slot, for reading and editing.
func (r *record) at(s slot) *wire.Item {
	switch s {
	case slotSpan:
		return r.span
	case slotResource:
		if !r.resourceOpen {
			r.resource.Open(wire.MessageResource, r.resourceIn)
			r.resourceOpen = true
		}
		return &r.resource
	case slotScope:
		if !r.scopeOpen {
			r.scope.Open(wire.MessageScope, r.scopeIn)
			r.scopeOpen = true
		}
		return &r.scope
	}
	return r.item
}

// keep ends a value that was appended to the arena from mark on.
func (r *record) keep(arena []byte, mark int) []byte {
	r.arena = arena
	return arena[mark:len(arena):len(arena)]
}

// any encodes a value as an AnyValue body in the arena.
func (r *record) any(v value) ([]byte, error) {
	mark := len(r.arena)
	out, err := v.appendAny(r.arena)
	return r.keep(out, mark), err
}

// text is the value as text; ok is false for nil.
func (r *record) text(v value) (text []byte, ok bool, err error) {
	switch v.kind {
	case kindString:
		return v.b, true, nil
	case kindNil:
		return nil, false, nil
	}
	mark := len(r.arena)
	out, err := v.appendText(r.arena)
	if err != nil {
		return nil, false, err
	}
	return r.keep(out, mark), true, nil
}
