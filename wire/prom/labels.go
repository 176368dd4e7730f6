package prom

import (
	"slices"
	"strings"

	"github.com/sluiceio/sluice/wire"
)

// Field numbers of remote write 1.0.
const (
	fieldLabels     = 1
	fieldLabelName  = 1
	fieldLabelValue = 2
)

// Labels is a label set: sorted, unique names, no empty values. It is encoded as the labels field of a remote-write
// 1.0 TimeSeries, so an exporter appends it as is; Cursor reads it.
type Labels []byte

// Cursor returns a cursor before the first label.
func (l Labels) Cursor() LabelCursor { return LabelCursor{rest: l} }

// Get returns the value of a label, or nil.
func (l Labels) Get(name string) []byte {
	for c := l.Cursor(); c.Next(); {
		if string(c.Name) == name {
			return c.Value
		}
	}
	return nil
}

// Len returns the number of labels.
func (l Labels) Len() (n int) {
	for c := l.Cursor(); c.Next(); {
		n++
	}
	return n
}

// String renders the set in PromQL syntax, with the metric name inside.
func (l Labels) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for c := l.Cursor(); c.Next(); {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.Write(c.Name)
		b.WriteString(`="`)
		b.Write(c.Value)
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

// LabelCursor walks a label set in order. Name and Value are views.
type LabelCursor struct {
	Name, Value []byte
	rest        []byte
}

// Next moves to the next label.
func (c *LabelCursor) Next() bool {
	if len(c.rest) == 0 {
		return false
	}
	label, end := view(c.rest, 1)
	c.rest = c.rest[end:]
	c.Name, end = view(label, 1)
	c.Value, _ = view(label, end+1)
	return true
}

type pair struct{ name, value string }

// labelSet is a sorted label set under construction, for series seen the first time.
type labelSet []pair

func (s labelSet) find(name string) (int, bool) {
	return slices.BinarySearchFunc(s, name, func(p pair, n string) int { return strings.Compare(p.name, n) })
}

// get returns the value of a label, "" if absent: Prometheus treats both alike.
func (s labelSet) get(name string) string {
	if i, ok := s.find(name); ok {
		return s[i].value
	}
	return ""
}

// set replaces a label; an empty value removes it.
func (s *labelSet) set(name, value string) {
	i, ok := s.find(name)
	switch {
	case ok && value == "":
		*s = slices.Delete(*s, i, i+1)
	case ok:
		(*s)[i].value = value
	case value != "":
		*s = slices.Insert(*s, i, pair{name, value})
	}
}

// setAbsent sets a label unless it exists.
func (s *labelSet) setAbsent(name, value string) {
	if i, ok := s.find(name); !ok && value != "" {
		*s = slices.Insert(*s, i, pair{name, value})
	}
}

func (s labelSet) appendTo(dst []byte) []byte {
	for _, p := range s {
		name, value := len(p.name), len(p.value)
		dst = wire.AppendTag(dst, fieldLabels, wire.TypeBytes)
		dst = wire.AppendVarint(dst, uint64(2+wire.SizeVarint(uint64(name))+name+wire.SizeVarint(uint64(value))+value))
		dst = wire.AppendString(dst, fieldLabelName, p.name)
		dst = wire.AppendString(dst, fieldLabelValue, p.value)
	}
	return dst
}
