package prom

import (
	"bytes"
	"hash/maphash"
	"unsafe"
)

// A cache maps bytes of a request, below the identity of their parent, to what was derived from them. Keys are
// compared in full, and the hash seed is private, so that nobody can aim at a bucket.
type cache[V any] struct {
	seed   maphash.Seed
	budget *budget
	cur    *table[V]
	old    *table[V]
	last   int                             // the entry found last, in cur; -1 after a turn
	move   func(to, from *table[V], v V) V // carries what a value refers to in its table; nil if nothing
}

// A budget bounds a translator's caches with two generations. When the current tables reach half of the budget they
// become the old ones, and the previous old ones are dropped. Entries found in an old table move to the current
// one. Tables of pointer-free values cost the garbage collector nothing.
type budget struct {
	half int // bytes the current tables may reach; below 0 nothing is ever found again
	all  []generations
}

type generations interface {
	turn(forget bool)
	size() (cur, old int)
}

// room makes room for another entry. It may turn every cache, which invalidates earlier positions.
func (b *budget) room() {
	size := 0
	for _, c := range b.all {
		cur, _ := c.size()
		size += cur
	}
	if size <= b.half {
		return
	}
	for _, c := range b.all {
		c.turn(b.half < 0)
	}
}

func (b *budget) size() (n int) {
	for _, c := range b.all {
		cur, old := c.size()
		n += cur + old
	}
	return n
}

func newCache[V any](b *budget, move func(to, from *table[V], v V) V) *cache[V] {
	c := &cache[V]{seed: maphash.MakeSeed(), budget: b, cur: new(table[V]), last: -1, move: move}
	b.all = append(b.all, c)
	return c
}

func (c *cache[V]) get(in parent, key []byte) (int, bool) {
	if i, guess := c.guess(in); i >= 0 && bytes.Equal(guess, key) {
		c.last = i
		return i, true
	}
	return c.search(in, key)
}

// guess returns the entry that followed the last found one, and its key, if it has this parent; otherwise -1.
// Senders repeat series in the same order, so it is nearly always right and saves the hash. The caller sets last if
// it uses it.
func (c *cache[V]) guess(in parent) (int, []byte) {
	if c.last >= 0 {
		if n := c.cur.entries[c.last].next; n > 0 {
			if e := &c.cur.entries[n-1]; e.in == in {
				return int(n - 1), c.cur.bytes.view(e.key, e.keyLen)
			}
		}
	}
	return -1, nil
}

func (c *cache[V]) search(in parent, key []byte) (int, bool) {
	if c.budget.half < 0 {
		return 0, false
	}
	hash := c.hash(in, key)
	i, ok := c.cur.find(hash, in, key)
	if !ok && c.old != nil {
		var at int
		if at, ok = c.old.find(hash, in, key); ok {
			i = c.bring(at)
		}
	}
	if ok {
		c.follow(i)
	}
	return i, ok
}

// put adds an entry that get did not find; call room first. weight is the bytes that the value holds outside the
// table.
func (c *cache[V]) put(in parent, key []byte, v V, weight int) int {
	i := c.cur.add(c.hash(in, key), in, key, v)
	c.cur.entries[i].weight = uint32(weight)
	c.cur.weight += weight
	c.follow(i)
	return i
}

func (c *cache[V]) bring(at int) int {
	from := c.old
	c.budget.room()
	e := from.entries[at]
	v := e.value
	if c.move != nil {
		v = c.move(c.cur, from, v)
	}
	i := c.cur.add(e.hash, e.in, from.bytes.view(e.key, e.keyLen), v)
	c.cur.entries[i].weight = e.weight
	c.cur.weight += int(e.weight)
	return i
}

// follow records that entry i came after the previous one.
func (c *cache[V]) follow(i int) {
	if c.last >= 0 {
		c.cur.entries[c.last].next = uint32(i + 1)
	}
	c.last = i
}

func (c *cache[V]) turn(forget bool) {
	c.old, c.cur, c.last = c.cur, new(table[V]), -1
	if forget {
		c.old = nil
	}
}

func (c *cache[V]) hash(in parent, key []byte) uint64 {
	h := maphash.Bytes(c.seed, key) ^ (in.metric+in.origin<<32|in.origin>>32)*0x9e3779b97f4a7c15
	return h ^ h>>32
}

func (c *cache[V]) size() (cur, old int) {
	if c.old != nil {
		old = c.old.size()
	}
	return c.cur.size(), old
}

// A table is one generation of a cache: an open-addressing index of entries, and the bytes they refer to.
type table[V any] struct {
	index   []uint32 // place of an entry + 1, 0 is free; a power of two, at most three quarters full
	entries []entry[V]
	bytes   arena
	series  []series // of points only
	weight  int
}

type entry[V any] struct {
	hash   uint64
	in     parent
	key    handle
	keyLen uint32
	next   uint32 // place + 1 of the entry that came after this one when it was seen last
	weight uint32
	value  V
}

// parent is the identity of what a key is in: for points the metric and the resource or scope.
type parent struct{ metric, origin uint64 }

func (t *table[V]) is(i int, in parent, key []byte) bool {
	e := &t.entries[i]
	return e.in == in && bytes.Equal(t.bytes.view(e.key, e.keyLen), key)
}

func (t *table[V]) find(hash uint64, in parent, key []byte) (int, bool) {
	if len(t.index) == 0 {
		return 0, false
	}
	mask := uint64(len(t.index) - 1)
	for at := hash & mask; t.index[at] != 0; at = (at + 1) & mask {
		i := int(t.index[at] - 1)
		if t.entries[i].hash == hash && t.is(i, in, key) {
			return i, true
		}
	}
	return 0, false
}

func (t *table[V]) add(hash uint64, in parent, key []byte, v V) int {
	if len(t.entries) >= len(t.index)/4*3 {
		t.grow()
	}
	i := len(t.entries)
	t.entries = append(t.entries, entry[V]{
		hash: hash, in: in, key: t.bytes.hold(key), keyLen: uint32(len(key)), value: v,
	})
	t.place(i)
	return i
}

func (t *table[V]) grow() {
	t.index = make([]uint32, max(64, 2*len(t.index)))
	for i := range t.entries {
		t.place(i)
	}
}

func (t *table[V]) place(i int) {
	mask := uint64(len(t.index) - 1)
	at := t.entries[i].hash & mask
	for t.index[at] != 0 {
		at = (at + 1) & mask
	}
	t.index[at] = uint32(i + 1)
}

func (t *table[V]) size() int {
	var e entry[V]
	return t.bytes.size + cap(t.entries)*int(unsafe.Sizeof(e)) + 4*len(t.index) +
		cap(t.series)*int(unsafe.Sizeof(series{})) + t.weight
}

// An arena holds byte strings in large chunks, which are never moved or freed singly.
type arena struct {
	chunks [][]byte
	size   int
}

type handle uint64

// A chunk is as large as all before it, within these bounds: small agents stay small, and no chunk is mostly empty.
const (
	minChunk = 4 << 10
	maxChunk = 256 << 10
)

func (a *arena) hold(b []byte) handle {
	last := len(a.chunks) - 1
	if last < 0 || cap(a.chunks[last])-len(a.chunks[last]) < len(b) {
		a.chunks = append(a.chunks, make([]byte, 0, max(min(max(a.size, minChunk), maxChunk), len(b))))
		last++
		a.size += cap(a.chunks[last])
	}
	at := len(a.chunks[last])
	a.chunks[last] = append(a.chunks[last], b...)
	return handle(last)<<32 | handle(at)
}

func (a *arena) view(h handle, n uint32) []byte {
	at := uint32(h)
	return a.chunks[h>>32][at : at+n : at+n]
}
