package k8sattributes

import (
	"sync"
	"time"
)

const (
	// waitForPod is how long a pushed request waits for a pod that the watch has not shown yet: it may be a second old.
	waitForPod = 2 * time.Second
	// mostWaiting bounds the requests that wait.
	mostWaiting = 100
	// goneAfter is when an unknown pod of a file counts as gone: it was deleted before the agent started.
	goneAfter = 10 * time.Second
	// mostUnknown bounds what is remembered.
	mostUnknown = 8192
)

// unknowns remembers pods that are not known: a request waits for each once.
type unknowns struct {
	mu      sync.Mutex
	first   map[string]time.Time
	waiting int
}

// since returns when a pod was first asked for.
func (u *unknowns) since(key string) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, have := u.first[key]
	if !have {
		if u.first == nil || len(u.first) >= mostUnknown {
			u.first = map[string]time.Time{}
		}
		at = time.Now()
		u.first[key] = at
	}
	return at
}

// enter reports whether a request may wait for the pod; if so, call leave.
func (u *unknowns) enter(key string) bool {
	u.mu.Lock()
	_, have := u.first[key]
	ok := !have && u.waiting < mostWaiting
	if ok {
		u.waiting++
	}
	u.mu.Unlock()
	u.since(key)
	return ok
}

func (u *unknowns) leave() {
	u.mu.Lock()
	u.waiting--
	u.mu.Unlock()
}
