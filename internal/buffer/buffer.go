// Package buffer has buffer pools. In builds with poison, freed buffers are overwritten to expose readers that kept
// a reference.
package buffer

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/sluiceio/sluice/internal/poison"
)

// Size classes are powers of two. The smallest is 4 KiB because grpc counts references only over 1 KiB; larger
// buffers than the largest are left to the garbage collector.
const (
	minClass = 12
	maxClass = 24
)

// A Pool lends reference-counted buffers. The zero value is ready to use.
type Pool struct {
	classes [maxClass - minClass + 1]sync.Pool
}

// A Buffer is bytes with a reference count. The last Release returns it to its pool, after which nobody may touch
// B. The holder of the only reference may append to B; shared bytes are read only.
type Buffer struct {
	B    []byte
	refs atomic.Int32
	pool *Pool
}

// Get returns an empty buffer with room for n bytes and one reference.
func (p *Pool) Get(n int) *Buffer {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		return newBuffer(p, n)
	}
	b, ok := p.classes[class-minClass].Get().(*Buffer)
	if !ok {
		return newBuffer(p, 1<<class)
	}
	b.B = b.B[:0]
	b.refs.Store(1)
	return b
}

// Copy returns a copy of src with one reference.
func (p *Pool) Copy(src []byte) *Buffer {
	b := p.Get(len(src))
	b.B = append(b.B, src...)
	return b
}

func newBuffer(p *Pool, n int) *Buffer {
	b := &Buffer{B: make([]byte, 0, n), pool: p}
	b.refs.Store(1)
	return b
}

// Pool is where the buffer came from.
func (b *Buffer) Pool() *Pool { return b.pool }

// Retain adds a reference.
func (b *Buffer) Retain() {
	if b.refs.Add(1) <= 1 {
		panic("BUG: a freed buffer was retained")
	}
}

// Release drops a reference.
func (b *Buffer) Release() {
	left := b.refs.Add(-1)
	if left > 0 {
		return
	}
	if left < 0 {
		panic("BUG: a buffer was released twice")
	}
	poison.Fill(b.B[:cap(b.B)])
	// Appending may have grown it, so its class follows its capacity, rounded down.
	class := bits.Len(uint(cap(b.B))) - 1
	if class < minClass || class > maxClass {
		return
	}
	b.pool.classes[class-minClass].Put(b)
}
