package tail

import (
	"sync"
	"time"
)

// troubles are the paths that could not be read, so that each is said once and tried less and less often.
type troubles struct {
	mu    sync.Mutex
	paths map[string]*trouble
}

type trouble struct {
	last, retry time.Time
	wait        time.Duration
}

const (
	troubleRetry = time.Second
	troubleMax   = 30 * time.Second
)

// note says whether the trouble is one to count (not one that a listing repeats before the path was tried again)
// and whether it is new.
func (t *troubles) note(path string, now time.Time) (count, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.paths[path]
	if p == nil {
		if t.paths == nil {
			t.paths = map[string]*trouble{}
		}
		p = &trouble{wait: troubleRetry / 2}
		t.paths[path] = p
		first = true
	}
	p.last = now
	if now.Before(p.retry) {
		return false, false
	}
	p.wait = min(2*p.wait, troubleMax)
	p.retry = now.Add(p.wait)
	return true, first
}

// ripe says whether a path may be tried.
func (t *troubles) ripe(path string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.paths[path]
	return p == nil || !time.Now().Before(p.retry)
}

// over notes that a path can be read.
func (t *troubles) over(path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.paths, path)
}

// prune forgets paths that nobody tries any more.
func (t *troubles) prune(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for path, p := range t.paths {
		if now.Sub(p.last) > 2*troubleMax {
			delete(t.paths, path)
		}
	}
}

// complain reports a path that cannot be read.
func (r *Receiver) complain(path string, err error) {
	count, first := r.troubles.note(path, time.Now())
	if count {
		r.metrics.unreadable.Inc()
	}
	if first {
		r.settings.Log.Warn("cannot read; it is tried again from time to time", "path", path, "error", err)
	}
}
