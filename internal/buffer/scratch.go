package buffer

import (
	"sync"

	"github.com/sluiceio/sluice/internal/poison"
)

// A Scratch lends plain byte slices for the time of a call: to build a request in, and to give back when nobody below
// holds it any more. Its zero value is ready to use.
type Scratch struct {
	pool sync.Pool
	// Most is the capacity over which a slice is left to the garbage collector, so that a rare huge request does not stay;
	// 0 means 4 MiB.
	Most int
}

const defaultMost = 4 << 20

// Get lends an empty slice. Append to it through the pointer, or store the grown slice there before Put.
func (s *Scratch) Get() *[]byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// Put takes a slice back. From here on its bytes are 0xDF in builds that poison.
func (s *Scratch) Put(b *[]byte) {
	most := s.Most
	if most == 0 {
		most = defaultMost
	}
	poison.Fill((*b)[:cap(*b)])
	if cap(*b) > most {
		return
	}
	*b = (*b)[:0]
	s.pool.Put(b)
}
