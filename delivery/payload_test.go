package delivery

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
)

func TestPayloadIsReadAnyNumberOfTimes(t *testing.T) {
	var pool Pool
	p := Borrow(pipeline.Batch{Request: []byte("the body")}, &pool)
	for range 2 {
		got, err := io.ReadAll(p.Reader())
		if err != nil || string(got) != "the body" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestPayloadOutlivesItsBatchOnlyDetached(t *testing.T) {
	var pool Pool
	request := []byte("the body")
	p := Borrow(pipeline.Batch{Request: request}, &pool)
	half := p.Reader()
	if _, err := io.ReadFull(half, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	p.detach()
	copy(request, "XXXXXXXX") // the caller reuses its buffer
	rest, err := io.ReadAll(half)
	if err != nil || string(rest) != "body" {
		t.Fatalf("after the caller left the transport reads %q, %v", rest, err)
	}
	p.release()
	if _, err := half.Read(make([]byte, 1)); !errors.Is(err, errReleased) {
		t.Fatalf("a released payload reads with %v", err)
	}
	if p.Buffer() != nil {
		t.Fatal("a released payload lends its buffer")
	}
	p.release()
}

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
