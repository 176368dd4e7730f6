package grpcserver

import (
	"math/bits"
	"sync"

	"github.com/sluiceio/sluice/internal/poison"
)

// bufferPool lends buffers for messages, in classes that are powers of two, so that a small message does not sit in a
// large buffer. What it lends is not cleared.
type bufferPool struct {
	classes [maxClass - minClass + 1]sync.Pool
}

// The exponents of the smallest and the largest class. What is larger is left to the garbage collector.
const (
	minClass = 11
	maxClass = 22
)

var buffers bufferPool

// get returns a buffer with room for n bytes.
func (p *bufferPool) get(n int) *[]byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minClass)
	if class > maxClass {
		b := make([]byte, 0, n)
		return &b
	}
	b, ok := p.classes[class-minClass].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, 0, 1<<class)
		return &fresh
	}
	*b = (*b)[:0]
	return b
}

// put takes a buffer back, whoever made it. nil is nothing to take.
func (p *bufferPool) put(b *[]byte) {
	if b == nil {
		return
	}
	poison.Fill((*b)[:cap(*b)])
	class := bits.Len(uint(cap(*b))) - 1
	if class >= minClass && class <= maxClass {
		p.classes[class-minClass].Put(b)
	}
}
