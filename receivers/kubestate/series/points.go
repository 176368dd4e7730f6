package series

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/value"

	"github.com/sluiceio/sluice/wire"
)

// Points takes the series of objects, as data points behind each other in Bytes, or only which they are. It is for one goroutine.
type Points struct {
	Bytes []byte // encoded data points, each framed as a field of Gauge and Sum
	Count int    // how many they are
	Time  uint64 // of each, in ns since 1970

	base  []byte // labels that all series of the present object have, encoded
	attrs []byte
	seen  map[string]bool // not nil: only note which series there are
}

// appendLabel adds a label. An empty one is none, as everywhere in Prometheus.
func appendLabel(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "�")
	}
	return wire.AppendStringAttribute(dst, wire.FieldNumberAttributes, key, value)
}

// Add adds a series: pairs of a label's name and value.
func (p *Points) Add(v float64, labels ...string) {
	p.attrs = append(p.attrs[:0], p.base...)
	for i := 0; i+1 < len(labels); i += 2 {
		p.attrs = appendLabel(p.attrs, labels[i], labels[i+1])
	}
	if p.seen != nil {
		p.seen[string(p.attrs)] = true
		return
	}
	p.point(p.attrs, math.Float64bits(v), 0)
}

// conditions adds a series for each state of a condition: 1 for the one that it is in. labels are at most two pairs.
func (p *Points) conditions(status, key string, labels ...string) {
	var pairs [6]string
	n := copy(pairs[:4], labels)
	pairs[n] = key
	for i, state := range conditionStates {
		pairs[n+1] = state
		p.Add(truth(status == conditionStatus[i]), pairs[:n+2]...)
	}
}

// phases adds a series for each phase: 1 for the present one.
func (p *Points) phases(key, is string, all ...string) {
	for _, one := range all {
		p.Add(truth(one == is), key, one)
	}
}

const (
	valueSize = 2 * 9 // time and value, each with its tag
	flagSize  = 2
)

// point appends a data point. flags is 0 or wire.FlagNoRecordedValue.
func (p *Points) point(attrs []byte, bits, flags uint64) {
	n := len(attrs) + valueSize
	if flags != 0 {
		n += flagSize
	}
	b := wire.AppendTag(p.Bytes, wire.FieldDataPoints, wire.TypeBytes)
	b = append(wire.AppendVarint(b, uint64(n)), attrs...)
	b = wire.AppendTag(b, wire.FieldNumberTime, wire.TypeFixed64)
	b = binary.LittleEndian.AppendUint64(b, p.Time)
	b = wire.AppendTag(b, wire.FieldNumberDouble, wire.TypeFixed64)
	b = binary.LittleEndian.AppendUint64(b, bits)
	if flags != 0 {
		b = wire.AppendUint(b, wire.FieldNumberFlags, flags)
	}
	p.Bytes = b
	p.Count++
}

// Plain adds a series without an object: of the receiver itself.
func (p *Points) Plain(v float64) {
	p.base = nil
	p.Add(v)
}

// Stale adds a stale marker for each series of family i that an object had as it was, and does not have as it is now (nil: it
// is gone).
func (p *Points) Stale(k *Kind, i int, was, is any) {
	before := p.which(k, i, was)
	if len(before) == 0 {
		return
	}
	var after map[string]bool
	if is != nil {
		after = p.which(k, i, is)
	}
	for attrs := range before {
		if !after[attrs] {
			p.point([]byte(attrs), value.StaleNaN, wire.FlagNoRecordedValue)
		}
	}
}

// which are the series of family i of an object.
func (p *Points) which(k *Kind, i int, o any) map[string]bool {
	p.seen = map[string]bool{}
	k.Each(i, p, k.Base(nil, o), o)
	out := p.seen
	p.seen = nil
	return out
}
