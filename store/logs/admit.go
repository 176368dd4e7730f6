package logs

import (
	"context"
	"io/fs"
	"time"
)

// An interruption is why calls end that are not at fault: it is one of the errors of the standard library in our words.
type interruption struct {
	msg string
	is  error
}

func (i *interruption) Error() string { return i.msg }
func (i *interruption) Unwrap() error { return i.is }

var (
	// errClosed is what calls after Close are told.
	errClosed = &interruption{"the log store is closed", fs.ErrClosed}
	// errTimeout ends a query that took longer than Options.QueryTimeout.
	errTimeout = &interruption{"the query took too long", context.DeadlineExceeded}
)

// Begin admits a request that reads, and makes the rows visible that were appended before. It waits for one of the places
// that Options.MaxQueries counts. The context it returns ends with the caller's, with Options.QueryTimeout and with the
// store; the caller calls end when it has read.
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

// flushPause is the least time between two flushes for queries. Rows that come in between are seen within a second,
// by the library's own timer.
const flushPause = 200 * time.Millisecond

// show makes rows that were appended before visible to queries.
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
