package otlpgrpc

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/mem"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
)

// rawCodec hands payloads to grpc as they are, in reference-counted buffers: grpc still holds a request's bytes when
// the call has returned, for as long as its writer does.
type rawCodec struct{}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*payload.Payload)
	if !ok {
		return nil, fmt.Errorf("BUG: a %T is sent", v)
	}
	b := p.Buffer()
	if b == nil {
		return nil, errors.New("the request was given up")
	}
	return mem.BufferSlice{mem.NewBuffer(&b.B, lent{b})}, nil
}

// Unmarshal implements encoding.CodecV2.
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	answer, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("BUG: a %T is received", v)
	}
	*answer = data.Materialize()
	return nil
}

// Name implements encoding.CodecV2. It is the content-subtype: what we send are protobuf messages.
func (rawCodec) Name() string { return "proto" }

// lent is a buffer in the hands of grpc, which gives it back by Put.
type lent struct{ b *buffer.Buffer }

// Put implements mem.BufferPool.
func (l lent) Put(*[]byte) { l.b.Release() }

// Get implements mem.BufferPool. Nobody takes from a single buffer.
func (l lent) Get(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

// compressed is a grpc.Compressor for payloads that are compressed already: it names the encoding and passes the bytes
// on. grpc's newer interface would compress anew for every attempt, and registers process-wide.
type compressed string

// Do implements grpc.Compressor.
func (c compressed) Do(w io.Writer, p []byte) error {
	_, err := w.Write(p)
	return err
}

// Type implements grpc.Compressor.
func (c compressed) Type() string { return string(c) }
