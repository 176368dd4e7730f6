package otlp

import (
	"math/bits"
	"sync"

	"github.com/sluiceio/sluice/internal/poison"
)

// framePool lends the buffers that grpc reads frames and inflates messages into. grpc's own pool clears each buffer
// before it lends it, 4 % of a request; what it lends is written before it is read.
//
// It implements mem.BufferPool. Its classes are powers of two.
type framePool struct {
	classes [maxFrame - minFrame + 1]sync.Pool
}

// The exponents of the smallest and the largest class. grpc gives back only what is larger than 1 KiB, and what is
// larger than the largest class is left to the garbage collector.
const (
	minFrame = 11
	maxFrame = 22
)

// Get returns a buffer of n bytes.
func (p *framePool) Get(n int) *[]byte {
	class := max(bits.Len(uint(max(n, 1)-1)), minFrame)
	if class > maxFrame {
		b := make([]byte, n)
		return &b
	}
	b, ok := p.classes[class-minFrame].Get().(*[]byte)
	if !ok {
		fresh := make([]byte, n, 1<<class)
		return &fresh
	}
	*b = (*b)[:n]
	return b
}

// Put takes a buffer back, whoever made it.
func (p *framePool) Put(b *[]byte) {
	poison.Fill((*b)[:cap(*b)])
	class := bits.Len(uint(cap(*b))) - 1
	if class >= minFrame && class <= maxFrame {
		p.classes[class-minFrame].Put(b)
	}
}
