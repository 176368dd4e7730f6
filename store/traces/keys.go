package traces

import (
	"bytes"
	"encoding/binary"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/sluiceio/sluice/store/traces/traceql"
)

// The rows. Integers are big endian, so that bytes sort as numbers; ^when sorts the newest first.
//
//	v                              -> format version, 1 byte
//	b hour(4)                      -> stretch(4)     an hour that holds fragments
//	f ^when(8) trace(16) hash(8)   -> fragment       the spans of one trace in one batch, an OTLP request body
//	i day(4) trace(16) ^when(8) hash(8) -> from(8)   where the fragments of a trace are
//
// when is the end of a fragment's last span and from the start of its first, in Unix ns; hour and day are those of
// when. hash is over the fragment: a repeated batch overwrites itself, and no counter must survive a restart.
// Retention deletes ranges: hours of f, days of i. Index rows may point to deleted fragments; readers skip these.
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

// A place is the position of a fragment, from its keys.
type place struct {
	trace traceql.ID
	when  uint64
	from  uint64 // of the index row; not in the fragment's own key
	hash  uint64
}

func (p place) hour() uint32 { return uint32(p.when / nsPerHour) }

func (p place) appendFragmentKey(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, rowFragment), ^p.when)
	dst = append(dst, p.trace[:]...)
	return binary.BigEndian.AppendUint64(dst, p.hash)
}

func (p place) appendIndexKey(dst []byte) []byte {
	dst = appendIndexPrefix(dst, p.hour()/hoursPerDay, p.trace)
	dst = binary.BigEndian.AppendUint64(dst, ^p.when)
	return binary.BigEndian.AppendUint64(dst, p.hash)
}

// appendIndexPrefix appends the prefix of a trace's index rows on a day.
func appendIndexPrefix(dst []byte, day uint32, id traceql.ID) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, rowIndex), day)
	return append(dst, id[:]...)
}

func placeOfFragment(key []byte) (place, bool) {
	if len(key) != fragmentKeyLen || key[0] != rowFragment {
		return place{}, false
	}
	p := place{when: ^binary.BigEndian.Uint64(key[1:]), hash: binary.BigEndian.Uint64(key[25:])}
	copy(p.trace[:], key[9:])
	return p, true
}

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

// fragmentRange returns the key bounds of fragments with from <= when <= to.
func fragmentRange(from, to uint64) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint64([]byte{rowFragment}, ^to)
	if from == 0 {
		return lower, []byte{rowFragment + 1}
	}
	return lower, binary.BigEndian.AppendUint64([]byte{rowFragment}, ^from+1)
}

func hourRange(hour uint32) (lower, upper []byte) {
	from := uint64(hour) * nsPerHour
	return fragmentRange(from, from+nsPerHour-1)
}

// daysUntil returns the key bounds of the index up to and including day.
func daysUntil(day uint32) (lower, upper []byte) {
	if day == math.MaxUint32 {
		return []byte{rowIndex}, []byte{rowIndex + 1}
	}
	return []byte{rowIndex}, binary.BigEndian.AppendUint32([]byte{rowIndex}, day+1)
}

// newComparer adds a prefix to byte order: the bloom filters hold index keys up to the trace id, so that looking for
// a trace on a day without it reads no block.
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
