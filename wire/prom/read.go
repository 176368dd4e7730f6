package prom

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/sluiceio/sluice/wire"
)

// The hot path parses points itself, because the cache needs the raw attributes, which wire's views do not give.
// The bytes are canonical (wire.Check): tags are one byte, and nothing is truncated.

func uvarint(b []byte, pos int) (v uint64, end int) {
	for shift := uint(0); pos < len(b) && shift < 64; shift += 7 {
		c := b[pos]
		pos++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v, pos
		}
	}
	return 0, len(b)
}

func view(b []byte, pos int) ([]byte, int) {
	n, start := uvarint(b, pos)
	if n > uint64(len(b)-start) {
		return nil, len(b)
	}
	end := start + int(n)
	return b[start:end], end
}

func skip(b []byte, pos int) int {
	tag, pos := uvarint(b, pos)
	switch tag & 7 {
	case wire.TypeVarint:
		_, pos = uvarint(b, pos)
	case wire.TypeFixed64:
		pos += 8
	case wire.TypeBytes:
		_, pos = view(b, pos)
	case wire.TypeFixed32:
		pos += 4
	default:
		return len(b)
	}
	return pos
}

// attributeRun returns the bytes from the first attribute to the last. Fields in between become part of the key,
// which only costs cache hits.
func attributeRun(b []byte, field int) []byte {
	tag := byte(field<<3 | wire.TypeBytes)
	first, last := -1, 0
	for pos := 0; pos < len(b); {
		at := pos
		pos = skip(b, pos)
		if b[at] == tag {
			if first < 0 {
				first = at
			}
			last = pos
		}
	}
	if first < 0 {
		return nil
	}
	return b[first:last]
}

type number struct {
	attributes  []byte // from the first to the last
	guessed     bool   // they are what was guessed
	start, time uint64 // ns since 1970
	value       float64
	stale       bool
	exemplars   bool
}

// parseNumber reads a NumberDataPoint. A missing value is 0, as in Prometheus. Attributes equal to the guess are
// compared as a whole.
func parseNumber(b, guess []byte) (p number) {
	first, last := -1, 0
	for pos := 0; pos < len(b); {
		switch b[pos] {
		case wire.FieldNumberAttributes<<3 | wire.TypeBytes:
			if first < 0 {
				first = pos
				if len(guess) > 0 && len(guess) <= len(b)-pos && bytes.Equal(b[pos:pos+len(guess)], guess) {
					pos += len(guess)
					last, p.guessed = pos, true
					continue
				}
			}
			p.guessed = false // there are more than guessed
			if pos+1 < len(b) && b[pos+1] < 0x80 {
				pos += 2 + int(b[pos+1])
			} else {
				_, pos = view(b, pos+1)
			}
			last = pos
		case wire.FieldNumberStart<<3 | wire.TypeFixed64:
			p.start, pos = fixed64(b, pos+1)
		case wire.FieldNumberTime<<3 | wire.TypeFixed64:
			p.time, pos = fixed64(b, pos+1)
		case wire.FieldNumberDouble<<3 | wire.TypeFixed64:
			var v uint64
			v, pos = fixed64(b, pos+1)
			p.value = math.Float64frombits(v)
		case wire.FieldNumberInt<<3 | wire.TypeFixed64:
			var v uint64
			v, pos = fixed64(b, pos+1)
			p.value = float64(int64(v))
		case wire.FieldNumberFlags<<3 | wire.TypeVarint:
			var v uint64
			v, pos = uvarint(b, pos+1)
			p.stale = v&wire.FlagNoRecordedValue != 0
		default:
			p.exemplars = p.exemplars || b[pos] == wire.FieldNumberExemplars<<3|wire.TypeBytes
			pos = skip(b, pos)
		}
	}
	if first >= 0 && last <= len(b) {
		p.attributes = b[first:last]
	}
	p.guessed = p.guessed || first < 0 && guess != nil && len(guess) == 0
	return p
}

func fixed64(b []byte, pos int) (uint64, int) {
	if len(b)-pos < 8 {
		return 0, len(b)
	}
	return binary.LittleEndian.Uint64(b[pos:]), pos + 8
}
