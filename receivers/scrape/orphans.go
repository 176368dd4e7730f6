package scrape

import (
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/wire/template"
)

// orphans are loops at rest whose targets are no targets, or not yet: they left, or the receiver before a reload
// scraped them and discovery has not told of them. Each waits for its target to come back, and then for its series to
// be ended.
type orphans struct {
	mu   sync.Mutex
	left map[identity][]*loop
}

// identity is that of a target over a reload.
type identity struct {
	job  string
	hash uint64
}

func (l *loop) identity() identity { return identity{l.job.cfg.JobName, l.target.hash} }

// put adds a loop at rest.
func (o *orphans) put(l *loop) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left == nil {
		o.left = map[identity][]*loop{}
	}
	o.left[l.identity()] = append(o.left[l.identity()], l)
}

// take takes out the loop that a new one with these settings can go on from, or returns nil.
func (o *orphans) take(id identity, s template.Settings) *loop {
	return o.remove(id, func(l *loop) bool { return l.state.Continues(s) })
}

// claim takes the loop out, if nobody did.
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

// estate is what a receiver leaves for the one that a reload starts: all its loops, at rest.
type estate []*loop

// leave makes the estate of a receiver whose loops have ended.
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

// adopt takes over what the receiver before a reload left: targets that stay are scraped on without a gap, the others
// end.
func (r *Receiver) adopt(e estate) {
	for _, l := range e {
		r.orphan(l)
	}
}

// orphan lets a loop at rest wait.
func (r *Receiver) orphan(l *loop) {
	if l.last.IsZero() {
		return // has no series
	}
	r.orphans.put(l)
	r.loops.Go(func() { r.endOrphan(l) })
}

// endOrphan ends the series of a target that is gone. The markers bear the time of the scrape that would have been next,
// but are written only after two more turns and a tenth, as in Prometheus, and not before discovery has told: had the
// target come back, its series go on.
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

// endSeries makes the markers, less the series that a target with the same labels goes on with.
func (r *Receiver) endSeries(l *loop, at time.Time) template.Result {
	heir := r.heir(l)
	if heir == nil {
		return l.state.End(at, nil)
	}
	heir.mu.Lock()
	defer heir.mu.Unlock()
	return l.state.End(at, heir.state)
}

// heir is the target that is scraped now and has the same labels on its series as one that ends, or nil.
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

// hasSynced tells whether the job's targets are known.
func (j *job) hasSynced() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.synced
}
