package otlp

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/pipeline"
)

// bodies tracks the HTTP bodies being read. It cuts those that are too slow, and those that delay a stop.
type bodies struct {
	patience time.Duration // time allowed for any body, however small; see conns.MinRate

	mu     sync.Mutex
	open   map[*body]struct{}
	sweep  *time.Timer // nil while no body is open
	stopBy time.Time   // zero: not stopping
}

type body struct {
	io.Reader
	w     http.ResponseWriter
	began time.Time
	came  atomic.Int64 // bytes
	cut   atomic.Pointer[pipeline.Refused]
}

const (
	stopGrace = time.Second            // for open bodies when the receiver stops
	sweepTime = 500 * time.Millisecond // between two checks
)

func (bs *bodies) read(w http.ResponseWriter, r io.Reader) *body {
	b := &body{Reader: r, w: w, began: time.Now()}
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.open[b] = struct{}{}
	if bs.sweep == nil {
		bs.sweep = time.AfterFunc(min(sweepTime, bs.patience), bs.look)
	}
	return b
}

// done stops tracking b; its w is not used afterwards.
func (bs *bodies) done(b *body) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.open, b)
}

// Read returns the reason when we cut the body.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.came.Add(int64(n))
	if cut := b.cut.Load(); cut != nil && err != nil && err != io.EOF {
		err = cut
	}
	return n, err
}

func (bs *bodies) look() {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	now := time.Now()
	for b := range bs.open {
		switch {
		case b.cut.Load() != nil:
		case !bs.stopBy.IsZero() && !now.Before(bs.stopBy):
			b.end("the receiver is stopping or being reconfigured")
		case now.After(conns.DueBy(b.began, bs.patience, int(b.came.Load()))):
			b.end("the body came too slowly")
		}
	}
	if bs.sweep = nil; len(bs.open) > 0 {
		bs.sweep = time.AfterFunc(min(sweepTime, bs.patience), bs.look)
	}
}

// end unblocks the reader of a body.
func (b *body) end(why string) {
	b.cut.Store(pipeline.Refuse(time.Second, errors.New(why)))
	http.NewResponseController(b.w).SetReadDeadline(time.Unix(1, 0))
}

func (bs *bodies) stop() {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.stopBy = time.Now().Add(stopGrace)
}
