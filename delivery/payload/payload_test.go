package payload

import (
	"errors"
	"io"
	"testing"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

func TestPayloadIsReadAnyNumberOfTimes(t *testing.T) {
	var pool buffer.Pool
	p := Borrow(pipeline.Batch{Request: []byte("the body")}, &pool)
	for range 2 {
		got, err := io.ReadAll(p.Reader())
		if err != nil || string(got) != "the body" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestPayloadOutlivesItsBatchOnlyDetached(t *testing.T) {
	var pool buffer.Pool
	request := []byte("the body")
	p := Borrow(pipeline.Batch{Request: request}, &pool)
	half := p.Reader()
	if _, err := io.ReadFull(half, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	p.Detach()
	copy(request, "XXXXXXXX") // the caller reuses its buffer
	rest, err := io.ReadAll(half)
	if err != nil || string(rest) != "body" {
		t.Fatalf("after the caller left the transport reads %q, %v", rest, err)
	}
	p.Release()
	if _, err := half.Read(make([]byte, 1)); !errors.Is(err, ErrReleased) {
		t.Fatalf("a released payload reads with %v", err)
	}
	if p.Buffer() != nil {
		t.Fatal("a released payload lends its buffer")
	}
	p.Release()
}
