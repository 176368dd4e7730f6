package conns

import (
	"sync"
	"time"
)

// Workers run jobs in goroutines that are kept, because a new one's stack has to grow again. There are as many as
// concurrent jobs. The last freed is used first, so that surplus ones are known.
type Workers[J any] struct {
	// Do runs a job. out is the worker's scratch memory; Do returns it for the next job.
	Do func(job J, out []byte) []byte

	mu      sync.Mutex
	free    []chan J // those of the workers that wait
	least   int      // of free, since the last trim
	trimmer *time.Timer
	stopped bool
}

// TrimEvery is the interval at which workers end that were not needed during it.
const TrimEvery = 10 * time.Second

// Run starts a job in a worker.
func (p *Workers[J]) Run(job J) {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		w := p.free[n-1]
		p.free = p.free[:n-1]
		p.least = min(p.least, n-1)
		p.mu.Unlock()
		w <- job
		return
	}
	p.mu.Unlock()
	w := make(chan J, 1)
	w <- job
	go p.work(w)
}

func (p *Workers[J]) work(jobs chan J) {
	var out []byte
	for job := range jobs {
		out = p.Do(job, out)
		if !p.put(jobs) {
			return
		}
	}
}

func (p *Workers[J]) put(w chan J) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	p.free = append(p.free, w)
	if p.trimmer == nil {
		p.least = 0
		p.trimmer = time.AfterFunc(TrimEvery, p.trim)
	}
	return true
}

func (p *Workers[J]) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	for _, w := range p.free[:p.least] {
		close(w)
	}
	p.free = append(p.free[:0], p.free[p.least:]...)
	clear(p.free[len(p.free):cap(p.free)])
	p.least = len(p.free)
	p.trimmer = nil
	if p.least > 0 {
		p.trimmer = time.AfterFunc(TrimEvery, p.trim)
	}
}

// Idle is the number of free workers.
func (p *Workers[J]) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// Stop ends the free workers, and the others when they are done. Do not call Run after it.
func (p *Workers[J]) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	for _, w := range p.free {
		close(w)
	}
	p.free = nil
	if p.trimmer != nil {
		p.trimmer.Stop()
	}
}
