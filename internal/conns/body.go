package conns

import (
	"time"

	"github.com/sluiceio/sluice/internal/buffer"
)

// MinRate is how many bytes a second a sender has to keep up, beyond the patience it is given. It is below any network
// that works: what it ends is a sender that holds room and does not fill it.
const MinRate = 16 << 10

// DueBy is when a message has to be there of which so many bytes came.
func DueBy(began time.Time, patience time.Duration, came int) time.Time {
	return began.Add(patience + time.Duration(came)*(time.Second/MinRate))
}

var buffers buffer.Pool

// firstRoom is reserved at first, unless more comes at once; then twice as much each time, and never more than was
// declared.
const firstRoom = 4 << 10

// Body is a message that comes in, in a pooled buffer. Its zero value is one of no bytes.
type Body struct {
	Declared int // its length, which is not believed before it came

	room int            // bytes of it that are reserved
	buf  *buffer.Buffer // what came of it; nil while nothing did
}

// Came is how many bytes came.
func (b *Body) Came() int { return len(b.Bytes()) }

// Bytes are those that came, until Release.
func (b *Body) Bytes() []byte {
	if b.buf == nil {
		return nil
	}
	return b.buf.B
}

// Next is where the next bytes go, at most n and at most what is missing. grow is asked before more bytes are held, with
// how many they are then altogether; its error is returned.
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

// Took notes that n bytes were read to where Next said.
func (b *Body) Took(n int) { b.buf.B = b.buf.B[:len(b.buf.B)+n] }

// Buffer lends a buffer with room for n bytes, to make another Body of.
func Buffer(n int) *buffer.Buffer { return buffers.Get(n) }

// Become puts other bytes in place of those that came.
func (b *Body) Become(other *buffer.Buffer) {
	b.Release()
	b.buf = other
}

// Release gives the bytes back.
func (b *Body) Release() {
	if b.buf != nil {
		b.buf.Release()
		b.buf = nil
	}
}
