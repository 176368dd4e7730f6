package grpcserver

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
)

// encodings are the names that gRPC has for encodings, as package inflate calls them.
var encodings = map[string]string{"": "", "identity": "", "gzip": "gzip", "zstd": "zstd", "snappy": inflate.SnappyFramed}

// acceptEncoding is what clients are told.
const acceptEncoding = "identity,gzip,zstd,snappy"

// workers serve calls, each in a goroutine that is kept: a new one's stack has to grow anew. There are as many as calls
// at once, several hundred when handlers wait for a destination; the one that was free last is taken first, so that those
// that are not needed any more are known.
type workers struct {
	mu      sync.Mutex
	free    []*worker
	least   int // of free, since the last trim
	trimmer *time.Timer
	stopped bool
}

type worker struct {
	calls chan *stream // nil ends it
	out   []byte       // scratch
}

// trimEvery is how often those workers end that were never needed since the last time.
const trimEvery = 10 * time.Second

// run serves a call in a worker.
func (p *workers) run(st *stream) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		w := p.free[n-1]
		p.free = p.free[:n-1]
		p.least = min(p.least, n-1)
		p.mu.Unlock()
		w.calls <- st
		return
	}
	p.mu.Unlock()
	w := &worker{calls: make(chan *stream, 1)}
	w.calls <- st
	go w.work(p)
}

func (w *worker) work(p *workers) {
	for st := range w.calls {
		w.serve(st)
		st.c.srv.open.Done()
		if !p.put(w) {
			return
		}
	}
}

// put takes a worker back that is free, unless all of them end.
func (p *workers) put(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.free = append(p.free, w)
	if p.trimmer == nil {
		p.least = 0
		p.trimmer = time.AfterFunc(trimEvery, p.trim)
	}
	return true
}

// trim ends the workers that were not needed lately.
func (p *workers) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	for _, w := range p.free[:p.least] {
		close(w.calls)
	}
	p.free = append(p.free[:0], p.free[p.least:]...)
	clear(p.free[len(p.free):cap(p.free)])
	p.least = len(p.free)
	p.trimmer = nil
	if p.least > 0 {
		p.trimmer = time.AfterFunc(trimEvery, p.trim)
	}
}

// stop ends the workers that are free, and those that are not when they are done.
func (p *workers) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, w := range p.free {
		close(w.calls)
	}
	p.free = nil
	if p.trimmer != nil {
		p.trimmer.Stop()
	}
}

// serve runs a call and answers it.
func (w *worker) serve(st *stream) {
	answer, err := st.call()
	st.cancel()
	st.free()
	if err != nil {
		w.out = st.c.answerError(st, err, w.out)
	} else {
		w.out = st.c.answer(st, answer, w.out)
	}
}

// call inflates the message and runs the handler.
func (st *stream) call() (answer []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			st.c.srv.opt.Log.Error("BUG: a call panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answer, err = nil, &Status{Code: codes.Internal, Message: "the server failed; see its log"}
		}
	}()
	if st.prefix[0] != 0 {
		if err := st.inflate(); err != nil {
			return nil, err
		}
	}
	if err := st.lease.Resize(st.came()); err != nil {
		return nil, err
	}
	var message []byte
	if st.body != nil {
		message = st.body.B
	}
	return st.handler(st.ctx, message, st.c.peer)
}

// inflate puts the inflated message in place of the compressed one. Both are reserved meanwhile.
func (st *stream) inflate() error {
	if st.body == nil {
		return nil // nothing, compressed to nothing
	}
	packed := st.body.B
	plain := buffers.Get(min(4*len(packed), st.c.srv.opt.MaxMessage))
	got, err := inflate.Bytes(plain.B, packed, st.encoding, inflate.Limits{Max: st.c.srv.opt.MaxMessage, Grow: st.lease.Resize})
	plain.B = got
	st.body.Release()
	st.body = plain
	if err != nil && !isRefusal(err) && !errors.Is(err, inflate.ErrTooLarge) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

func isRefusal(err error) bool {
	var r *pipeline.Refused
	return errors.As(err, &r)
}
