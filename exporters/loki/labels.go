package loki

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/loki"
)

// label is a label of a stream.
type label struct{ name, value string }

var serviceFrom = loki.ServiceFrom()

const (
	serviceLabel   = "service_name"
	unknownService = "unknown_service"
)

// streamLabels reads the labels of a resource's stream into e.labels, and the rest of its attributes into e.resource.
func (e *encoder) streamLabels(resource []byte) {
	e.labels = e.labels[:0]
	e.resource.reset()
	for attrs := wire.ResourceAttributes(resource); attrs.Next(); {
		if name, ok := e.index[string(attrs.Key())]; ok && e.streamLabel(name, attrs.Value()) {
			continue
		}
		e.attribute(&e.resource, nil, attrs.Key(), attrs.Value())
	}
	for _, l := range e.fixed {
		if !e.hasLabel(l.name) {
			e.labels = append(e.labels, l)
		}
	}
	if !e.hasLabel(serviceLabel) {
		e.labels = append(e.labels, label{serviceLabel, e.service()})
	}
	slices.SortFunc(e.labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
}

// streamLabel adds a label. A value that is no plain text, or too long, stays metadata.
func (e *encoder) streamLabel(name string, v wire.Value) bool {
	if k := v.Kind(); k == wire.ValueMap || k == wire.ValueArray || e.hasLabel(name) {
		return false
	}
	e.text = v.AppendText(e.text[:0])
	if len(e.text) == 0 || len(e.text) > loki.MaxLabelValue {
		return false
	}
	e.labels = append(e.labels, label{name, string(e.text)})
	return true
}

func (e *encoder) hasLabel(name string) bool {
	return slices.ContainsFunc(e.labels, func(l label) bool { return l.name == name })
}

// service names the service that does not name itself.
func (e *encoder) service() string {
	for _, from := range serviceFrom {
		for _, l := range e.labels {
			if l.name == from {
				return l.value
			}
		}
	}
	return unknownService
}

// appendSelector writes labels as Loki reads those of a stream: {a="b", c="d"}.
func appendSelector(dst []byte, labels []label) []byte {
	dst = append(dst, '{')
	for i, l := range labels {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(append(dst, l.name...), '=')
		dst = strconv.AppendQuote(dst, l.value)
	}
	return append(dst, '}')
}

// pairs are labels of structured metadata, framed as fields of an entry, names unique.
type pairs struct {
	frames []byte
	names  []nameAt
	mask   uint64 // of the names; two equal names have a bit in common
}

// nameAt is where in frames a name stands, and where its frame begins and ends.
type nameAt struct{ from, to, frame, end int32 }

func (p *pairs) reset() { p.frames, p.names, p.mask = p.frames[:0], p.names[:0], 0 }

// bit is a hash of a name into one of 64 bits. Most entries have no bit twice, and need no comparison at all.
func bit(name []byte) uint64 {
	n := len(name)
	return 1 << ((uint(name[0]) + uint(name[n/2])*3 + uint(name[n-1])*7 + uint(n)*13) & 63)
}

// has reports whether a name is there already.
func (p *pairs) has(name []byte) bool {
	for _, n := range p.names {
		if bytes.Equal(p.frames[n.from:n.to], name) {
			return true
		}
	}
	return false
}

// add appends a label unless its name is there; the first one counts.
func (p *pairs) add(name, value []byte) {
	if len(value) == 0 {
		return
	}
	b := bit(name)
	if p.mask&b != 0 && p.has(name) {
		return
	}
	p.mask |= b
	frame := int32(len(p.frames))
	p.frames = wire.AppendTag(p.frames, fieldEntryMetadata, wire.TypeBytes)
	n, v := len(name), len(value)
	p.frames = wire.AppendVarint(p.frames, uint64(2+wire.SizeVarint(uint64(n))+n+wire.SizeVarint(uint64(v))+v))
	p.frames = wire.AppendBytes(p.frames, fieldPairName, name)
	to := int32(len(p.frames))
	p.frames = wire.AppendBytes(p.frames, fieldPairValue, value)
	p.names = append(p.names, nameAt{to - int32(n), to, frame, int32(len(p.frames))})
}

// appendTo appends the labels whose names before does not have.
func (p *pairs) appendTo(dst []byte, before ...*pairs) []byte {
	clash := false
	for _, b := range before {
		clash = clash || b.mask&p.mask != 0
	}
	if !clash {
		return append(dst, p.frames...)
	}
	for _, n := range p.names {
		name := p.frames[n.from:n.to]
		if !slices.ContainsFunc(before, func(b *pairs) bool { return b.has(name) }) {
			dst = append(dst, p.frames[n.frame:n.end]...)
		}
	}
	return dst
}
