package redaction

import (
	"hash"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// A run is one request on its way through a policy, with what it needs again for the next.
type run struct {
	policy *policy
	editor wire.Editor
	edits  [len(pipeline.Signals) + 1]func(*wire.Item) // by signal; made once, since a closure for each request would allocate

	header, event    wire.Item
	resource, scopes map[int][]byte // those that changed, by their index in the request

	changes []change // to the attributes of the current message
	tally   tally
	build   []byte // what replaces them
	events  []byte // a span with its events

	path  []byte // of the current value in a log body, if it is to be listed
	depth int    // of the current value
	arena []byte // what was made for the current message; it only grows, so that views stay valid
	spans []span // what the rules found in a text
	hash  hash.Hash
	sum   []byte              // of the last hash
	mask  func([]byte) []byte // masked; made once, as edits
	grown int                 // bytes of masks in the current value

	masks, removals int
	found           []int // by rule
}

// maxArena is the capacity kept after a rare huge record.
const maxArena = 1 << 20

func newRun(p *policy) *run {
	r := &run{policy: p, resource: map[int][]byte{}, scopes: map[int][]byte{}, found: make([]int, len(p.rules))}
	if p.hash.make != nil {
		r.hash = p.hash.make(p.key)
	}
	r.mask = r.masked
	r.edits[pipeline.Metrics], r.edits[pipeline.Logs], r.edits[pipeline.Traces] = r.attributes, r.log, r.span
	return r
}

// end keeps nothing of the request.
func (r *run) end() {
	clear(r.resource)
	clear(r.scopes)
	clear(r.found)
	r.masks, r.removals = 0, 0
	r.header.Open(wire.MessageResource, nil)
	r.event.Open(wire.MessageEvent, nil)
	r.tally.reset()
	clear(r.changes[:cap(r.changes)])
	for _, b := range []*[]byte{&r.build, &r.events, &r.arena} {
		if cap(*b) > maxArena {
			*b = nil
		}
	}
}

// headers edits the Resources and InstrumentationScopes of a request.
func (r *run) headers(dst []byte, request wire.Request) (wire.Request, bool) {
	resources, scopes := 0, 0
	for rs := request.Resources(); rs.Next(); resources++ {
		if body := r.edited(wire.MessageResource, rs.Resource()); body != nil {
			r.resource[resources] = body
		}
		for sc := rs.Scopes(); sc.Next(); scopes++ {
			if body := r.edited(wire.MessageScope, sc.Scope()); body != nil {
				r.scopes[scopes] = body
			}
		}
	}
	if len(r.resource)+len(r.scopes) == 0 {
		return request, false
	}
	return wire.ReplaceHeaders(dst, request, func(i int) []byte { return r.resource[i] }, func(i int) []byte { return r.scopes[i] })
}

// edited is the message after the edit, or nil if it stays.
func (r *run) edited(kind wire.MessageKind, body []byte) []byte {
	r.header.Open(kind, body)
	r.attributes(&r.header)
	if !r.header.Changed() {
		return nil
	}
	return append([]byte{}, r.header.Bytes()...)
}

// span edits a span and its events. As in the Collector, links stay.
func (r *run) span(it *wire.Item) {
	r.attributes(it)
	r.name(it)
	body, out, at, taken := it.Bytes(), r.events[:0], 0, 0
	for f := wire.MessageFields(body); f.Next(); {
		start := at
		at += len(f.Framed())
		if f.Number() != wire.FieldSpanEvents {
			continue
		}
		r.event.Open(wire.MessageEvent, f.Body())
		r.attributes(&r.event)
		if r.event.Changed() {
			out = wire.AppendBytes(append(out, body[taken:start]...), wire.FieldSpanEvents, r.event.Bytes())
			taken = at
		}
	}
	if taken > 0 {
		out = append(out, body[taken:]...)
		it.SetBytes(out)
	}
	r.events = out
}
