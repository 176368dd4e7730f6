// Package payload is the body of a request to a destination: who owns its bytes, and how they are compressed.
package payload

import (
	"errors"
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

// ErrReleased is what a transport gets that reads on after the request was given up.
var ErrReleased = errors.New("the request was given up")

// A Payload is the body of one request to a destination. It may be read any number of times, also by several readers
// at once: after an early answer a transport still reads for the attempt before, while the next one runs.
//
// It owns its bytes (usually compressed) or borrows those of a batch. Readers copy under its lock and get nothing after
// Release, so no transport sees a buffer that was given back; waiting for its Body.Close could take as long as a dead
// peer. When a caller leaves before its request has ended, borrowed bytes are copied first.
type Payload struct {
	Signal pipeline.Signal
	Tenant string // of the batch's origin; empty without one
	Items  int
	Size   int  // of the batch in bytes, as the ledger counts it
	Tag    any  // the destination's own, for its Pieces
	Apart  bool // what is in it was suspected, and is no longer when it is taken

	length     int
	pool       *buffer.Pool
	unanswered atomic.Bool // an attempt had no answer, so it may have arrived

	mu       sync.Mutex
	data     []byte // nil once released
	kept     *buffer.Buffer
	own      *buffer.Buffer
	released bool
}

// Borrow makes a payload of b's request as it is. It copies nothing unless the caller leaves early.
func Borrow(b pipeline.Batch, pool *buffer.Pool) *Payload {
	p := payloadOf(b)
	p.pool, p.data, p.length = pool, b.Request, len(b.Request)
	return p
}

// Own makes a payload for b out of other bytes, taking over the reference to buf.
func Own(b pipeline.Batch, buf *buffer.Buffer) *Payload {
	p := payloadOf(b)
	p.pool, p.own, p.data, p.length = buf.Pool(), buf, buf.B, len(buf.B)
	return p
}

func payloadOf(b pipeline.Batch) *Payload {
	return &Payload{Signal: b.Signal, Tenant: b.Origin.Tenant, Items: b.Items, Size: len(b.Request)}
}

// Len is the length of the body.
func (p *Payload) Len() int { return p.length }

// Reader returns a reader of the whole body.
func (p *Payload) Reader() io.ReadCloser { return &reader{p: p} }

// Buffer returns the body in a buffer with a reference of the caller's own, for transports that count references.
// It is nil once the payload is released.
func (p *Payload) Buffer() *buffer.Buffer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return nil
	}
	p.ownLocked()
	p.own.Retain()
	return p.own
}

// Detach makes the payload independent of the batch it was made from.
func (p *Payload) Detach() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.released {
		p.ownLocked()
	}
}

func (p *Payload) ownLocked() {
	if p.own == nil {
		p.own = p.pool.Copy(p.data)
		p.data = p.own.B
	}
}

// Release ends the use of the bytes: when it returns no reader will touch them.
func (p *Payload) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return
	}
	p.released, p.data = true, nil
	if p.own != nil {
		p.own.Release()
		p.own = nil
	}
}

// Keep holds on to bytes of the payload's own beyond its release, for Body; Forget ends that.
func (p *Payload) Keep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own != nil && !p.released {
		p.own.Retain()
		p.kept = p.own
	}
}

// Forget ends what Keep began.
func (p *Payload) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept != nil {
		p.kept.Release()
		p.kept = nil
	}
}

// Body is the body as it was sent, for Pieces of a payload that owns its bytes. It is lent for the time of Pieces.
func (p *Payload) Body() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		return nil
	}
	return p.kept.B
}

// Unanswered says that an attempt had no answer: the destination may have the payload.
func (p *Payload) Unanswered() { p.unanswered.Store(true) }

// MayHaveArrived says whether an attempt had no answer.
func (p *Payload) MayHaveArrived() bool { return p.unanswered.Load() }

// Hash is that of the body; false once it is released.
func (p *Payload) Hash(seed maphash.Seed) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, false
	}
	return maphash.Bytes(seed, p.data), true
}

// Discard gives back payloads that will not be delivered.
func Discard(ps []*Payload) {
	for _, p := range ps {
		p.Release()
	}
}

// reader reads a payload from its beginning.
type reader struct {
	p   *Payload
	off int
}

// Read implements io.Reader. The last bytes come together with io.EOF, which saves the transport a call.
func (r *reader) Read(dst []byte) (int, error) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if r.p.released {
		return 0, ErrReleased
	}
	n := copy(dst, r.p.data[r.off:])
	r.off += n
	if r.off == len(r.p.data) {
		return n, io.EOF
	}
	return n, nil
}

// Close implements io.Closer.
func (r *reader) Close() error { return nil }
