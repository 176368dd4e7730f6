package buffer

import (
	"bytes"
	"testing"

	"github.com/sluiceio/sluice/internal/poison"
)

func TestBufferGoesBackWithItsLastReference(t *testing.T) {
	var pool Pool
	b := pool.Copy(bytes.Repeat([]byte("a"), 5000))
	if cap(b.B) != 8192 {
		t.Errorf("a buffer for 5000 bytes has %d", cap(b.B))
	}
	b.Retain()
	b.Release()
	if !bytes.Equal(b.B, bytes.Repeat([]byte("a"), 5000)) {
		t.Fatal("the buffer was freed under its last reference")
	}
	held := b.B
	b.Release()
	if poison.Enabled && held[0] != poison.Byte {
		t.Fatal("a freed buffer is not poisoned")
	}
	defer func() {
		if recover() == nil {
			t.Error("a second release went unnoticed")
		}
	}()
	b.Release()
}

func TestScratchIsPoisonedAndBounded(t *testing.T) {
	s := Scratch{Most: 8}
	b := s.Get()
	*b = append(*b, "held"...)
	held := *b
	s.Put(b)
	if poison.Enabled && held[0] != poison.Byte {
		t.Error("a slice that was given back is not poisoned")
	}
	if got := s.Get(); len(*got) != 0 {
		t.Errorf("a slice of %d bytes is lent", len(*got))
	}
	large := make([]byte, 9)
	s.Put(&large)
	for range 10 {
		if got := s.Get(); cap(*got) > 8 {
			t.Error("a slice over the limit stayed")
		}
	}
}
