package delivery

import (
	"context"
	"sync"
)

// A tally counts what runs. Unlike a sync.WaitGroup, its wait takes a context.
type tally struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // made by wait, closed when n becomes 0
}

func (t *tally) begin() {
	t.mu.Lock()
	t.n++
	t.mu.Unlock()
}

func (t *tally) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n--
	if t.n == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

func (t *tally) wait(ctx context.Context) bool {
	t.mu.Lock()
	if t.n == 0 {
		t.mu.Unlock()
		return true
	}
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	t.mu.Unlock()
	select {
	case <-idle:
		return true
	case <-ctx.Done():
		return false
	}
}
