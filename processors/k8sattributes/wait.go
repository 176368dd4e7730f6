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
	// mostUnknown bounds what is remembered, twice.
	mostUnknown = 8192
)

// unknowns remembers pods that are not known: a request waits for each once.
type unknowns struct {
	mu      sync.Mutex
	first   map[string]time.Time // two generations: many unknown pods must not make one's clock start again and again
	older   map[string]time.Time
	turned  time.Time // when first was begun
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
	at, have := u.known(key)
	if !have {
		at = time.Now()
	}
	if _, young := u.first[key]; !young {
		if u.first == nil || len(u.first) >= mostUnknown && time.Since(u.turned) > 2*goneAfter {
			u.older, u.first, u.turned = u.first, map[string]time.Time{}, time.Now()
		}
		if len(u.first) < mostUnknown {
			u.first[key] = at
		} else if !have {
			return time.Time{} // too many to remember: nobody waits for it
		}
	}
	return at
}

// known returns when a pod was first asked for; the caller has the lock.
func (u *unknowns) known(key string) (at time.Time, have bool) {
	if at, have = u.first[key]; !have {
		at, have = u.older[key]
	}
	return at, have
}

// came forgets a pod that is known now: another one may be asked for by the same key later, such as its address.
func (u *unknowns) came(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.first, key)
	delete(u.older, key)
}

// enter reports whether a request may wait for the pod; if so, call leave.
func (u *unknowns) enter(key string) bool {
	u.mu.Lock()
	_, have := u.known(key)
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

// lateItems are those of the resources whose pod may still come.
func (p *pass) lateItems(b pipeline.Batch) pipeline.Ranges {
	if p.late == nil {
		return nil
	}
	var late []pipeline.Range
	at := 0
	for rs := b.Request.Resources(); rs.Next(); {
		from, to := rs.Range()
		n := wire.Count(b.Signal, b.Request[from:to])
		if n > 0 && p.late[string(rs.Resource())] {
			late = append(late, pipeline.Range{From: at, To: at + n})
		}
		at += n
	}
	return pipeline.NewRanges(late)
}

// hold answers a request of a receiver of files for the pods that may still come: their lines stay in the file, and everything
// else goes on.
func (p *Processor) hold(ctx context.Context, b pipeline.Batch, refused pipeline.Ranges) error {
	g := pipeline.NewGather(b.Items)
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
