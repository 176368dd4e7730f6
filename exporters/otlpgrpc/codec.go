package otlpgrpc

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc/mem"

	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
)

// rawCodec passes payloads unchanged, in reference-counted buffers: grpc's writer may hold them after the call has returned.
type rawCodec struct{}

// Marshal implements encoding.CodecV2.
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	p, ok := v.(*payload.Payload)
	if !ok {
		return nil, fmt.Errorf("BUG: a %T is sent", v)
	}
	b := p.Buffer()
	if b == nil {
		return nil, errors.New("the request was cancelled")
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

// Name implements encoding.CodecV2: the content-subtype.
func (rawCodec) Name() string { return "proto" }

// lent is a buffer lent to grpc, which returns it by Put.
type lent struct{ b *buffer.Buffer }

// Put implements mem.BufferPool.
func (l lent) Put(*[]byte) { l.b.Release() }

// Get implements mem.BufferPool; it is not used.
func (l lent) Get(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

// compressed is a grpc.Compressor that only names the encoding. grpc's newer interface would compress again for every
// attempt, and registers process-wide.
type compressed string

// Do implements grpc.Compressor.
func (c compressed) Do(w io.Writer, p []byte) error {
	_, err := w.Write(p)
	return err
}

// Type implements grpc.Compressor.
func (c compressed) Type() string { return string(c) }
