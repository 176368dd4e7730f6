// Package payload holds the body of a request, its ownership and its compression.
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

// ErrReleased is the error of reads after Release.
var ErrReleased = errors.New("the request was cancelled")

// A Payload is the body of one request. It may be read concurrently: after an early answer a transport may still
// read for the previous attempt while the next one runs.
//
// It owns its bytes (usually compressed) or borrows those of a batch. Readers copy under its lock and get
// ErrReleased after Release, so none sees a recycled buffer; waiting for a transport's Body.Close could take as
// long as a dead peer. If a caller leaves before its request has ended, borrowed bytes are copied first.
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

// Borrow makes a payload of b's request without copying it.
func Borrow(b pipeline.Batch, pool *buffer.Pool) *Payload {
	p := payloadOf(b)
	p.pool, p.data, p.length = pool, b.Request, len(b.Request)
	return p
}

// Own makes a payload for b with other bytes and takes over the reference to buf.
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

// Buffer returns the body with a reference that the caller must release; nil after Release.
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

// Detach copies borrowed bytes, so that the payload outlives its batch.
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

// Release ends the use of the bytes: no reader touches them after it returns.
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

// Keep retains owned bytes beyond Release, for Body, until Forget.
func (p *Payload) Keep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.own != nil && !p.released {
		p.own.Retain()
		p.kept = p.own
	}
}

// Forget undoes Keep.
func (p *Payload) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept != nil {
		p.kept.Release()
		p.kept = nil
	}
}

// Body is the body as sent, for Pieces; nil without Keep.
func (p *Payload) Body() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept == nil {
		return nil
	}
	return p.kept.B
}

// Unanswered notes that an attempt got no answer.
func (p *Payload) Unanswered() { p.unanswered.Store(true) }

// MayHaveArrived reports whether an attempt got no answer, so that the destination may have the payload.
func (p *Payload) MayHaveArrived() bool { return p.unanswered.Load() }

// Hash is the hash of the body; false after Release.
func (p *Payload) Hash(seed maphash.Seed) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.released {
		return 0, false
	}
	return maphash.Bytes(seed, p.data), true
}

// Discard releases payloads that will not be delivered.
func Discard(ps []*Payload) {
	for _, p := range ps {
		p.Release()
	}
}

type reader struct {
	p   *Payload
	off int
}

// Read implements io.Reader. The last bytes come with io.EOF, which saves the transport a call.
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
