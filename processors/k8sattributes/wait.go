package k8sattributes

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const (
	// waitForPod is how long a pushed request waits for a pod that the watch has not shown yet: it may be a second old.
	waitForPod = 2 * time.Second
	// mostWaiting bounds the requests that wait.
	mostWaiting = 100
	// goneAfter is when an unknown pod of a file counts as gone, and the file is read on without it.
	goneAfter = 10 * time.Second
	// goneAtStart is the same for files that were there at the start: what the first list does not have was deleted before it.
	goneAtStart, startLasts = time.Second, 5 * time.Second
	// askAgain is how long a file's lines are left alone.
	askAgain = 500 * time.Millisecond
	// mostUnknown bounds what is remembered.
	mostUnknown = 8192
)

// unknowns remembers pods that are not known: a request waits for each once.
type unknowns struct {
	mu      sync.Mutex
	first   map[string]time.Time
	ready   time.Time // of the first list
	waiting int
}

// gone reports whether a pod of a file will not come any more.
func (u *unknowns) gone(key string) bool {
	first := u.since(key)
	u.mu.Lock()
	defer u.mu.Unlock()
	patience := goneAfter
	if first.Sub(u.ready) < startLasts {
		patience = goneAtStart
	}
	return time.Since(first) > patience
}

// begin notes that the first list is there.
func (u *unknowns) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ready = time.Now()
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

var errUnknownPod = errors.New("the API server has not shown the pod of this file yet")

// hold answers a request of a receiver of files for the pods that may still come: their lines stay in the file, and everything
// else goes on.
func (p *Processor) hold(ctx context.Context, pass *pass, b pipeline.Batch) error {
	g := pipeline.NewGather(b.Items)
	var late []pipeline.Range
	at := 0
	for rs := b.Request.Resources(); rs.Next(); {
		from, to := rs.Range()
		n := wire.Count(b.Signal, b.Request[from:to])
		if pass.late[string(rs.Resource())] {
			late = append(late, pipeline.Range{From: at, To: at + n})
		}
		at += n
	}
	refused := pipeline.NewRanges(late)
	g.Refuse(refused, pipeline.Refuse(askAgain, errUnknownPod))
	if rest := pipeline.AllItems(b.Items).Without(refused); rest != nil {
		buf := requests.Get()
		defer requests.Put(buf)
		part := b.CutRanges((*buf)[:0], rest)
		*buf = part.Request
		m := make(pipeline.ItemMap, 0, len(rest))
		for _, r := range rest {
			m = append(m, pipeline.Moved{From: r.From, N: r.To - r.From})
		}
		g.Add(p.Consume(ctx, part), part.Items, m)
	}
	return g.Err()
}
