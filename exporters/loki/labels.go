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

// extracted is what Loki appends to a name that is taken.
const extracted = "_extracted"

// pairs are labels of structured metadata, framed as fields of an entry, names unique.
type pairs struct {
	frames []byte
	keys   []byte // of the attributes
	names  []pair
	mask   uint64 // of the names; two equal names have a bit in common
	taken  []byte // scratch
}

// pair is where the parts of a label stand: its name and its value in frames, in keys the key that it was made of.
type pair struct{ name, value, key span }

type span struct{ from, to int32 }

func (s span) of(b []byte) []byte { return b[s.from:s.to] }

func (p *pairs) reset() {
	p.frames, p.keys, p.names, p.mask = p.frames[:0], p.keys[:0], p.names[:0], 0
}

// bit is a hash of a name into one of 64 bits. Most entries have no bit twice, and need no comparison at all.
func bit(name []byte) uint64 {
	n := len(name)
	return 1 << ((uint(name[0]) + uint(name[n/2])*3 + uint(name[n-1])*7 + uint(n)*13) & 63)
}

// find returns the label of a name, nil if there is none.
func (p *pairs) find(name []byte) *pair {
	for i := range p.names {
		if bytes.Equal(p.names[i].name.of(p.frames), name) {
			return &p.names[i]
		}
	}
	return nil
}

// add appends a label, under another name if another key became the same one. Of the same key the first counts. What is
// no attribute has no key.
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

// addAll adds the labels of another set.
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
