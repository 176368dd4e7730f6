package scrape

import (
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/wire/template"
)

// orphans are stopped loops whose target disappeared, or was not reported by discovery since a reload. Each waits for its
// target to come back; after a while its series end.
type orphans struct {
	mu   sync.Mutex
	left map[identity][]*loop
}

type identity struct {
	job  string
	hash uint64
}

func (l *loop) identity() identity { return identity{l.job.cfg.JobName, l.target.hash} }

func (o *orphans) put(l *loop) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left == nil {
		o.left = map[identity][]*loop{}
	}
	o.left[l.identity()] = append(o.left[l.identity()], l)
}

// take removes and returns the loop that one with these settings can continue, or nil.
func (o *orphans) take(id identity, s template.Settings) *loop {
	return o.remove(id, func(l *loop) bool { return l.state.Continues(s) })
}

// claim removes the loop and reports whether it was still there.
func (o *orphans) claim(l *loop) bool {
	return o.remove(l.identity(), func(other *loop) bool { return other == l }) != nil
}

func (o *orphans) remove(id identity, wanted func(*loop) bool) *loop {
	o.mu.Lock()
	defer o.mu.Unlock()
	i := slices.IndexFunc(o.left[id], wanted)
	if i < 0 {
		return nil
	}
	l := o.left[id][i]
	if o.left[id] = slices.Delete(o.left[id], i, i+1); len(o.left[id]) == 0 {
		delete(o.left, id)
	}
	return l
}

// estate is all stopped loops, left for the receiver after a reload.
type estate []*loop

func (r *Receiver) leave() (e estate) {
	for _, loops := range r.orphans.left {
		e = append(e, loops...)
	}
	for _, j := range r.jobs {
		for _, l := range j.loops {
			e = append(e, l)
		}
	}
	return e
}

// adopt takes over the estate: remaining targets continue without a gap, others end.
func (r *Receiver) adopt(e estate) {
	for _, l := range e {
		r.orphan(l)
	}
}

func (r *Receiver) orphan(l *loop) {
	if l.last.IsZero() {
		return // has no series
	}
	r.orphans.put(l)
	r.loops.Go(func() { r.endOrphan(l) })
}

// endOrphan ends the series of a target that is gone. As in Prometheus, stale markers have the time of the next due scrape
// but are written 1.1 intervals later, and not before discovery has reported.
func (r *Receiver) endOrphan(l *loop) {
	interval := l.target.interval
	next := l.last.Add(interval)
	wait := time.NewTimer(time.Until(next.Add(interval + interval/10)))
	defer wait.Stop()
	for known := false; !known; {
		select {
		case <-r.ctx.Done():
			return
		case <-wait.C:
		}
		j := r.jobs[l.job.cfg.JobName]
		if known = j == nil || j.hasSynced(); !known {
			wait.Reset(interval)
		}
	}
	if !r.orphans.claim(l) {
		return
	}
	res := r.endSeries(l, next)
	r.out.Put(res.Items, res.Size, l.state.AppendRequest)
}

// endSeries makes stale markers, except for series that a target with the same labels continues.
func (r *Receiver) endSeries(l *loop, at time.Time) template.Result {
	heir := r.heir(l)
	if heir == nil {
		return l.state.End(at, nil)
	}
	heir.mu.Lock()
	defer heir.mu.Unlock()
	return l.state.End(at, heir.state)
}

func (r *Receiver) heir(l *loop) *loop {
	for _, j := range r.jobs {
		j.mu.Lock()
		for _, other := range j.loops {
			if other != l && other.state.SameTarget(l.state) {
				j.mu.Unlock()
				return other
			}
		}
		j.mu.Unlock()
	}
	return nil
}

func (j *job) hasSynced() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.synced
}
