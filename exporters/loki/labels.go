package loki

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/loki"
)

type label struct{ name, value string }

var serviceFrom = loki.ServiceFrom()

const (
	serviceLabel   = "service_name"
	unknownService = "unknown_service"
)

// streamLabels splits a resource's attributes into e.labels and e.resource.
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

// streamLabel adds a label. Maps, arrays and values that are empty or too long stay metadata.
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

// service derives service_name if the resource has none.
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

// extracted is what Loki appends to a name already in use.
const extracted = "_extracted"

// pairs are structured metadata, encoded as fields of an entry, with unique names.
type pairs struct {
	frames []byte
	keys   []byte // attribute keys
	names  []pair
	mask   uint64 // of the names; equal names share a bit
	taken  []byte // scratch
}

// pair holds positions in frames (name, value) and keys (attribute key).
type pair struct{ name, value, key span }

type span struct{ from, to int32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

func (p *pairs) reset() {
	p.frames, p.keys, p.names, p.mask = p.frames[:0], p.keys[:0], p.names[:0], 0
}

// bit hashes a name to one of 64 bits: without a shared bit, names need no comparison.
func bit(name []byte) uint64 {
	n := len(name)
	return 1 << ((uint(name[0]) + uint(name[n/2])*3 + uint(name[n-1])*7 + uint(n)*13) & 63)
}

func (p *pairs) find(name []byte) *pair {
	for i := range p.names {
		if bytes.Equal(p.names[i].name.of(p.frames), name) {
			return &p.names[i]
		}
	}
	return nil
}

// add appends a label, renamed if another key gave the same name. For the same key the first value wins. Only attributes
// have a key.
func (p *pairs) add(key, name, value []byte) {
	if len(value) == 0 {
		return
	}
	b := bit(name)
	for p.mask&b != 0 {
		there := p.find(name)
		if there == nil {
			break
		}
		if len(key) > 0 && bytes.Equal(there.key.of(p.keys), key) || bytes.Equal(there.value.of(p.frames), value) {
			return
		}
		p.taken = append(append(p.taken[:0], name...), extracted...)
		name = p.taken
		b = bit(name)
	}
	p.mask |= b
	n, v := len(name), len(value)
	p.frames = wire.AppendTag(p.frames, fieldEntryMetadata, wire.TypeBytes)
	p.frames = wire.AppendVarint(p.frames, uint64(2+wire.SizeVarint(uint64(n))+n+wire.SizeVarint(uint64(v))+v))
	p.frames = wire.AppendBytes(p.frames, fieldPairName, name)
	nameEnd := int32(len(p.frames))
	p.frames = wire.AppendBytes(p.frames, fieldPairValue, value)
	end := int32(len(p.frames))
	k := int32(len(p.keys))
	p.keys = append(p.keys, key...)
	p.names = append(p.names, pair{span{nameEnd - int32(n), nameEnd}, span{end - int32(v), end}, span{k, int32(len(p.keys))}})
}

func (p *pairs) addAll(o *pairs) {
	if p.mask&o.mask != 0 {
		for _, x := range o.names {
			p.add(x.key.of(o.keys), x.name.of(o.frames), x.value.of(o.frames))
		}
		return
	}
	if len(o.names) == 0 {
		return
	}
	p.mask |= o.mask
	frames, keys := int32(len(p.frames)), int32(len(p.keys))
	p.frames, p.keys = append(p.frames, o.frames...), append(p.keys, o.keys...)
	for _, x := range o.names {
		p.names = append(p.names, pair{x.name.plus(frames), x.value.plus(frames), x.key.plus(keys)})
	}
}

func (s span) plus(n int32) span { return span{s.from + n, s.to + n} }
