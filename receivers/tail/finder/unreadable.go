package finder

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Unreadable tracks unreadable paths: each is logged once and retried with backoff.
type Unreadable struct {
	log     *slog.Logger
	counter prometheus.Counter

	mu    sync.Mutex
	paths map[string]*unreadable
}

type unreadable struct {
	last, retry time.Time
	wait        time.Duration
}

const (
	retryFirst = time.Second
	retryMax   = 30 * time.Second
)

// NewUnreadable makes an empty list.
func NewUnreadable(log *slog.Logger, counter prometheus.Counter) *Unreadable {
	return &Unreadable{log: log, counter: counter, paths: map[string]*unreadable{}}
}

// Report records that a path cannot be read.
func (u *Unreadable) Report(path string, err error) {
	count, first := u.note(path, time.Now())
	if count {
		u.counter.Inc()
	}
	if first {
		u.log.Warn("cannot read; retrying at growing intervals of up to 30 s", "path", path, "error", err)
	}
}

// note reports whether to count the failure (not between retries) and whether it is new.
func (u *Unreadable) note(path string, now time.Time) (count, first bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.paths[path]
	if p == nil {
		p = &unreadable{wait: retryFirst / 2}
		u.paths[path] = p
		first = true
	}
	p.last = now
	if now.Before(p.retry) {
		return false, false
	}
	p.wait = min(2*p.wait, retryMax)
	p.retry = now.Add(p.wait)
	return true, first
}

// Due reports whether a path may be tried.
func (u *Unreadable) Due(path string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.paths[path]
	return p == nil || !time.Now().Before(p.retry)
}

// Clear records that a path can be read.
func (u *Unreadable) Clear(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.paths, path)
}

// Prune forgets paths that are no longer tried.
func (u *Unreadable) Prune(now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for path, p := range u.paths {
		if now.Sub(p.last) > 2*retryMax {
			delete(u.paths, path)
		}
	}
}
