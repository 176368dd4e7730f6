package logs

import (
	"context"
	"io/fs"
	"time"
)

// An interruption ends a call that is not at fault. It wraps a standard error.
type interruption struct {
	msg string
	is  error
}

func (i *interruption) Error() string { return i.msg }
func (i *interruption) Unwrap() error { return i.is }

var (
	errClosed  = &interruption{"the log store is closed", fs.ErrClosed}
	errTimeout = &interruption{"the query took too long", context.DeadlineExceeded}
)

// Begin admits a query, waiting for one of MaxQueries slots, and makes earlier appends visible. ctx ends with the
// parent, the timeout and the store; call end when done.
func (s *Store) Begin(parent context.Context) (ctx context.Context, end func(), err error) {
	ctx, cancel := context.WithTimeoutCause(parent, s.options.QueryTimeout, errTimeout)
	ctx, stop := context.WithCancelCause(ctx)
	forget := context.AfterFunc(s.running, func() { stop(errClosed) })
	quit := func() {
		forget()
		stop(nil)
		cancel()
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		err := context.Cause(ctx)
		quit()
		return nil, nil, err
	}
	s.reads.RLock()
	end = func() {
		s.reads.RUnlock()
		<-s.slots
		quit()
	}
	if s.running.Err() != nil {
		end()
		return nil, nil, errClosed
	}
	s.show()
	return ctx, end, nil
}

// flushPause is the minimum between flushes for queries. The library's own timer shows other rows within a second.
const flushPause = 200 * time.Millisecond

// show makes appended rows visible to queries.
func (s *Store) show() {
	if !s.unseen.Load() {
		return
	}
	s.mu.Lock()
	soon := time.Since(s.flushed) < flushPause
	if !soon {
		s.flushed = time.Now()
	}
	s.mu.Unlock()
	if !soon && s.unseen.Swap(false) {
		s.engine.DebugFlush()
	}
}
