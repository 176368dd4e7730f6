package reader

import (
	"context"
	"sync"
	"time"
)

// hung is the extra time after ctx: only a hanging file system can block longer.
const hung = time.Second

// WaitFor waits for group until a little after ctx ends, and reports whether it finished.
func WaitFor(ctx context.Context, group *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	case <-time.After(hung):
		return false
	}
}
