package traces

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/rejects"
	"github.com/sluiceio/sluice/store/traces/traceql"
	"github.com/sluiceio/sluice/wire"
)

// An envelope is a ResourceSpans or ScopeSpans without its spans.
type envelope struct {
	message   []byte // body of the Resource or InstrumentationScope; nil if there is none
	schemaURL []byte
}

// A spanRef is a span of the request, which it aliases.
type spanRef struct {
	resource int32 // into group.resources
	scope    int32 // into group.scopes
	from     uint64
	when     uint64
	body     []byte
}

// A sortKey sorts spans by trace id, then by order in the request. It is small because sorting moves it.
type sortKey struct {
	high, low uint64
	span      int32 // into group.spans
}

func (k sortKey) sameTrace(l sortKey) bool { return k.high == l.high && k.low == l.low }

// A group sorts the spans of a request by trace. It is reused, and aliases the request until reset.
type group struct {
	resources, scopes []envelope
	spans             []spanRef
	keys              []sortKey
	of                []spanRef // the spans of one trace
	fragment          []byte
	key               []byte
	item              int // spans of the request so far
	rejects           rejects.List
}

func (g *group) reset() {
	clear(g.resources)
	clear(g.scopes)
	clear(g.spans)
	clear(g.of[:cap(g.of)])
	g.resources, g.scopes, g.spans = g.resources[:0], g.scopes[:0], g.spans[:0]
	g.keys, g.of = g.keys[:0], g.of[:0]
	g.rejects.Reset()
	g.item = 0
}

// reject excludes the current span.
func (g *group) reject(why pipeline.Reason, body []byte, s wire.Span) {
	g.rejects.Add(why, g.item-1, len(body), func() string {
		service := "no service.name"
		if v, ok := wire.ResourceAttributes(g.resources[len(g.resources)-1].message).Find("service.name"); ok {
			service = string(v.Str())
		}
		return fmt.Sprintf("%q of %s, trace %x, ended %s", s.Name, service, s.TraceID, endTime(spanEnd(s)).Format(time.RFC3339))
	})
}

// endTime also shows times that do not fit an int64.
func endTime(ns uint64) time.Time {
	const second = uint64(time.Second)
	return time.Unix(int64(ns/second), int64(ns%second)).UTC()
}

// read collects the spans that end in w and rejects the others, and those without valid ids or times.
func (g *group) read(r wire.Request, w traceql.Window) {
	for rc := r.Resources(); rc.Next(); {
		resource := int32(len(g.resources))
		g.resources = append(g.resources, envelope{rc.Resource(), rc.SchemaURL()})
		for sc := rc.Scopes(); sc.Next(); {
			scope := int32(len(g.scopes))
			g.scopes = append(g.scopes, envelope{sc.Scope(), sc.SchemaURL()})
			for ic := sc.Items(); ic.Next(); {
				g.add(ic.Bytes(), resource, scope, w)
			}
		}
	}
}

func (g *group) add(body []byte, resource, scope int32, w traceql.Window) {
	s := wire.ParseSpan(body)
	g.item++
	if !validID(s.TraceID, 16) || !validID(s.SpanID, 8) || s.Start == 0 && s.End == 0 {
		g.reject(pipeline.DropInvalid, body, s)
		return
	}
	when := spanEnd(s)
	switch {
	case when < w.From:
		g.reject(pipeline.DropTooOld, body, s)
		return
	case when > w.To:
		g.reject(pipeline.DropTooNew, body, s)
		return
	}
	g.keys = append(g.keys, sortKey{
		binary.BigEndian.Uint64(s.TraceID), binary.BigEndian.Uint64(s.TraceID[8:]), int32(len(g.spans)),
	})
	g.spans = append(g.spans, spanRef{resource, scope, spanStart(s), when, body})
}

// validID checks the length; OTLP calls all zeros invalid.
func validID(id []byte, n int) bool {
	if len(id) != n {
		return false
	}
	for _, b := range id {
		if b != 0 {
			return true
		}
	}
	return false
}

// spanStart falls back to the end if a client left the start 0.
func spanStart(s wire.Span) uint64 {
	if s.Start == 0 {
		return s.End
	}
	return s.Start
}

// spanEnd is never before the start.
func spanEnd(s wire.Span) uint64 { return max(s.Start, s.End) }

// spanDuration is in ns.
func spanDuration(s wire.Span) uint64 { return spanEnd(s) - spanStart(s) }

// fragments yields one fragment for each trace. The bytes are valid until the next.
func (g *group) fragments(yield func(p place, fragment []byte) error) error {
	slices.SortFunc(g.keys, func(a, b sortKey) int {
		if a.high != b.high {
			return cmp.Compare(a.high, b.high)
		}
		if a.low != b.low {
			return cmp.Compare(a.low, b.low)
		}
		return cmp.Compare(a.span, b.span)
	})
	for rest := g.keys; len(rest) > 0; {
		id := rest[0]
		first := g.spans[id.span]
		p := place{when: first.when, from: first.from}
		binary.BigEndian.PutUint64(p.trace[:], id.high)
		binary.BigEndian.PutUint64(p.trace[8:], id.low)
		g.of = g.of[:0]
		for len(rest) > 0 && rest[0].sameTrace(id) {
			s := g.spans[rest[0].span]
			p.when, p.from = max(p.when, s.when), min(p.from, s.from)
			g.of = append(g.of, s)
			rest = rest[1:]
		}
		g.fragment = g.appendSpans(g.fragment[:0], g.of)
		p.hash = xxhash.Sum64(g.fragment)
		if err := yield(p, g.fragment); err != nil {
			return err
		}
	}
	return nil
}

// appendSpans appends spans as a request, in their envelopes.
func (g *group) appendSpans(dst []byte, spans []spanRef) []byte {
	for i := 0; i < len(spans); {
		resource := spans[i].resource
		var inResource, inScope int
		dst, inResource = wire.BeginMessage(dst, wire.FieldRequestResource)
		dst = appendOptional(dst, wire.FieldResourceXResource, g.resources[resource].message)
		for i < len(spans) && spans[i].resource == resource {
			scope := spans[i].scope
			dst, inScope = wire.BeginMessage(dst, wire.FieldResourceXScope)
			dst = appendOptional(dst, wire.FieldScopeXScope, g.scopes[scope].message)
			for ; i < len(spans) && spans[i].scope == scope; i++ {
				dst = wire.AppendBytes(dst, wire.FieldScopeXItem, spans[i].body)
			}
			dst = appendOptional(dst, wire.FieldScopeXSchemaURL, g.scopes[scope].schemaURL)
			dst = wire.EndMessage(dst, inScope)
		}
		dst = appendOptional(dst, wire.FieldResourceXSchemaURL, g.resources[resource].schemaURL)
		dst = wire.EndMessage(dst, inResource)
	}
	return dst
}

func appendOptional(dst []byte, field int, b []byte) []byte {
	if b == nil {
		return dst
	}
	return wire.AppendBytes(dst, field, b)
}

// A spanIdentity is the same for two reports of one span.
type spanIdentity struct {
	id, start uint64
	name      uint64 // hash
}

// unique removes duplicate spans, which clients and retried batches cause. Without any it returns r itself.
func unique(r wire.Request) (_ wire.Request, spans int) {
	var g group
	g.read(r, traceql.Window{To: ^uint64(0)})
	seen := make(map[spanIdentity]struct{}, len(g.spans))
	var kept []spanRef // nil until the first is left out
	for i, ref := range g.spans {
		s := wire.ParseSpan(ref.body)
		id := spanIdentity{binary.BigEndian.Uint64(s.SpanID), s.Start, xxhash.Sum64(s.Name)}
		if _, twice := seen[id]; twice {
			if kept == nil {
				kept = append(make([]spanRef, 0, len(g.spans)), g.spans[:i]...)
			}
			continue
		}
		seen[id] = struct{}{}
		if kept != nil {
			kept = append(kept, ref)
		}
	}
	if kept == nil {
		return r, len(g.spans)
	}
	return g.appendSpans(make([]byte, 0, len(r)), kept), len(kept)
}
