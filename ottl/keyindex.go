package ottl

import (
	"bytes"
	"hash/maphash"
)

// A keyIndex holds the entries of a map that is rebuilt, and finds them by key: among few by looking at each, among many
// by hash. Senders choose how many there are.
type keyIndex struct {
	items []indexed
	hash  map[uint64]int32 // the first item of a hash; nil while there are few
}

type indexed struct {
	key, entry, body []byte // entry is the KeyValue, nil of a new one; body is the value's, nil for that of the entry
	next             int32  // of the same hash; 0 for none
}

const (
	fewKeys  = 16
	manyKeys = 1 << 12 // more are not held for the next record
)

var keySeed = maphash.MakeSeed()

func (x *keyIndex) reset() {
	if cap(x.items) > manyKeys {
		*x = keyIndex{}
	}
	x.items = x.items[:0]
	clear(x.hash)
}

// find returns the first item of a key, or -1.
func (x *keyIndex) find(key []byte) int {
	if len(x.items) <= fewKeys {
		for i := range x.items {
			if bytes.Equal(x.items[i].key, key) {
				return i
			}
		}
		return -1
	}
	i, ok := x.hash[maphash.Bytes(keySeed, key)]
	for ; ok; i, ok = x.items[i].next, x.items[i].next != 0 {
		if bytes.Equal(x.items[i].key, key) {
			return int(i)
		}
	}
	return -1
}

func (x *keyIndex) add(item indexed) {
	x.items = append(x.items, item)
	switch n := len(x.items); {
	case n > fewKeys+1:
		x.link(n - 1)
	case n == fewKeys+1:
		for i := range x.items {
			x.link(i)
		}
	}
}

// link makes item i the last one of its hash.
func (x *keyIndex) link(i int) {
	if x.hash == nil {
		x.hash = map[uint64]int32{}
	}
	h := maphash.Bytes(keySeed, x.items[i].key)
	at, ok := x.hash[h]
	if !ok {
		x.hash[h] = int32(i)
		return
	}
	for x.items[at].next != 0 {
		if bytes.Equal(x.items[at].key, x.items[i].key) {
			return // the first one counts
		}
		at = x.items[at].next
	}
	if !bytes.Equal(x.items[at].key, x.items[i].key) {
		x.items[at].next = int32(i)
	}
}
