package reader

import (
	"context"
	"sync"
	"time"
)

// hung is how much longer than ctx a group may take that only a file system can hold up.
const hung = time.Second

// WaitFor waits for goroutines that end by themselves unless a file system hangs, for as long as ctx lasts and a little
// longer. It says whether they ended.
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
