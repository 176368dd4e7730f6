package conns

import (
	"sync"
	"time"
)

// Workers do jobs, each in a goroutine that is kept: a new one's stack has to grow anew. There are as many as jobs at
// once, several hundred when they wait for a destination; the one that was free last is taken first, so that those that
// are not needed any more are known.
type Workers[J any] struct {
	// Do does a job. out is the worker's scratch memory; what Do returns is that of the next one.
	Do func(job J, out []byte) []byte

	mu      sync.Mutex
	free    []chan J // those of the workers that wait
	least   int      // of free, since the last trim
	trimmer *time.Timer
	stopped bool
}

// TrimEvery is how often those workers end that were never needed since the last time.
const TrimEvery = 10 * time.Second

// Run has a worker do a job.
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

// put takes a worker back that is free, unless all of them end.
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

// trim ends the workers that were not needed lately.
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

// Idle is how many workers wait for a job.
func (p *Workers[J]) Idle() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

// Stop ends the workers that are free, and those that are not when they are done. Nothing is run after it.
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
