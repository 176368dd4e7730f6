package conns

import (
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
)

// MinRate is the bytes a second that a sender must keep up beyond its patience. It is below any working network and
// ends senders that hold memory without filling it.
const MinRate = 16 << 10

// DueBy is the deadline of a message of which so many bytes arrived.
func DueBy(began time.Time, patience time.Duration, came int) time.Time {
	return began.Add(patience + time.Duration(came)*(time.Second/MinRate))
}

var buffers buffer.Pool

// firstRoom is the first reservation; it doubles up to the declared length.
const firstRoom = 4 << 10

// Body is a message being received into a pooled buffer. The zero value is empty.
type Body struct {
	Declared int // its length, which is not believed before it came

	room int            // bytes of it that are reserved
	buf  *buffer.Buffer // what came of it; nil while nothing did
}

// Came is the number of bytes received.
func (b *Body) Came() int { return len(b.Bytes()) }

// Bytes are those received, valid until Release.
func (b *Body) Bytes() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf.B
}

// Next is where to read the next bytes, at most n and at most what is missing. grow is called with the new total
// before more bytes are held; its error is returned.
func (b *Body) Next(n int, grow func(int) error) ([]byte, error) {
	have := b.Came()
	want := min(have+n, b.Declared)
	if want > b.room {
		more := min(max(want, 2*b.room, firstRoom), b.Declared)
		if err := grow(more); err != nil {
			return nil, err
		}
		b.room = more
	}
	if b.buf == nil || cap(b.buf.B) < want {
		bigger := buffers.Get(b.room)
		if b.buf != nil {
			bigger.B = append(bigger.B, b.buf.B...)
			b.buf.Release()
		}
		b.buf = bigger
	}
	return b.buf.B[have:want], nil
}

// Took notes that n bytes were read into what Next returned.
func (b *Body) Took(n int) { b.buf.B = b.buf.B[:len(b.buf.B)+n] }

// Buffer lends a buffer with room for n bytes, for Become.
func Buffer(n int) *buffer.Buffer { return buffers.Get(n) }

// Become replaces the bytes.
func (b *Body) Become(other *buffer.Buffer) {
	b.Release()
	b.buf = other
}

// Release returns the buffer.
func (b *Body) Release() {
	if b.buf != nil {
		b.buf.Release()
		b.buf = nil
	}
}
