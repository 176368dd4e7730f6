package traces

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/sluiceio/sluice/store/traces/traceql"
)

// The rows. All integers are big endian, so that bytes sort as numbers; ^when sorts the newest first.
//
//	v                              -> format version, 1 byte
//	b hour(4)                      -> stretch(4)     an hour that holds fragments
//	f ^when(8) trace(16) hash(8)   -> fragment       the spans of one trace in one batch, an OTLP request body
//	i day(4) trace(16) ^when(8) hash(8) -> from(8)   where the fragments of a trace are
//
// when is the end of a fragment's last span and from the start of its first, in ns since 1970; hour and day are those
// of when. hash is of the fragment's bytes: a repeated batch overwrites itself, and no counter has to survive a
// restart. Retention is two range deletions a row kind: hours of f, days of i. A day of i that has lost some of its
// hours points at fragments that are gone; readers pass over these.
const (
	rowVersion  = 'v'
	rowBucket   = 'b'
	rowFragment = 'f'
	rowIndex    = 'i'

	formatVersion = 1

	nsPerHour   = uint64(time.Hour)
	hoursPerDay = 24

	fragmentKeyLen = 1 + 8 + 16 + 8
	indexPrefixLen = 1 + 4 + 16
	indexKeyLen    = indexPrefixLen + 8 + 8
)

// A place is where a fragment is found and what its keys say of it.
type place struct {
	trace traceql.ID
	when  uint64
	from  uint64 // of the index row; not in the fragment's own key
	hash  uint64
}

func (p place) hour() uint32 { return uint32(p.when / nsPerHour) }

// appendFragmentKey appends the key of the fragment row.
func (p place) appendFragmentKey(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, rowFragment), ^p.when)
	dst = append(dst, p.trace[:]...)
	return binary.BigEndian.AppendUint64(dst, p.hash)
}

// appendIndexKey appends the key of the index row.
func (p place) appendIndexKey(dst []byte) []byte {
	dst = appendIndexPrefix(dst, p.hour()/hoursPerDay, p.trace)
	dst = binary.BigEndian.AppendUint64(dst, ^p.when)
	return binary.BigEndian.AppendUint64(dst, p.hash)
}

// appendIndexPrefix appends what the index rows of a trace on a day begin with.
func appendIndexPrefix(dst []byte, day uint32, id traceql.ID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, rowIndex), day)
	return append(dst, id[:]...)
}

// placeOfFragment reads a fragment key.
func placeOfFragment(key []byte) (place, bool) {
	if len(key) != fragmentKeyLen || key[0] != rowFragment {
		return place{}, false
	}
	p := place{when: ^binary.BigEndian.Uint64(key[1:]), hash: binary.BigEndian.Uint64(key[25:])}
	copy(p.trace[:], key[9:])
	return p, true
}

// placeOfIndex reads an index row.
func placeOfIndex(key, value []byte) (place, bool) {
	if len(key) != indexKeyLen || key[0] != rowIndex || len(value) != 8 {
		return place{}, false
	}
	p := place{
		when: ^binary.BigEndian.Uint64(key[indexPrefixLen:]),
		hash: binary.BigEndian.Uint64(key[indexPrefixLen+8:]),
		from: binary.BigEndian.Uint64(value),
	}
	copy(p.trace[:], key[5:])
	return p, true
}

func bucketKey(hour uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{rowBucket}, hour)
}

// fragmentRange returns the keys of the fragments with from <= when <= to, as lower and upper bound.
func fragmentRange(from, to uint64) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint64([]byte{rowFragment}, ^to)
	if from == 0 {
		return lower, []byte{rowFragment + 1}
	}
	return lower, binary.BigEndian.AppendUint64([]byte{rowFragment}, ^from+1)
}

// hourRange returns the keys of the fragments of an hour.
func hourRange(hour uint32) (lower, upper []byte) {
	from := uint64(hour) * nsPerHour
	return fragmentRange(from, from+nsPerHour-1)
}

// daysUntil returns the keys of the index of all days up to and with this one.
func daysUntil(day uint32) (lower, upper []byte) {
	if day == math.MaxUint32 {
		return []byte{rowIndex}, []byte{rowIndex + 1}
	}
	return []byte{rowIndex}, binary.BigEndian.AppendUint32([]byte{rowIndex}, day+1)
}

// newComparer returns byte order with a prefix: that of an index key ends after the trace, which is what the bloom
// filters hold, so that asking a day that has nothing of a trace reads no block.
func newComparer() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "sluice.traces.1"
	c.Compare = bytes.Compare
	c.Split = func(key []byte) int {
		if len(key) > indexPrefixLen && key[0] == rowIndex {
			return indexPrefixLen
		}
		return len(key)
	}
	return &c
}
