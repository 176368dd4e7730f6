package buffer

import (
	"sync"

	"github.com/sluiceio/sluice/internal/poison"
)

// A Scratch lends plain byte slices for the duration of a call. The zero value is ready to use.
type Scratch struct {
	pool sync.Pool
	// Most is the largest capacity that is kept, so that a rare huge request is freed; 0 means 4 MiB.
	Most int
}

const defaultMost = 4 << 20

// Get lends an empty slice. Store the grown slice in it before Put.
func (s *Scratch) Get() *[]byte {
	if b, ok := s.pool.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

// Put takes a slice back. In builds with poison it is overwritten.
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
