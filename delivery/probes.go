package delivery

import (
	"sync"
	"time"
)

const (
	probeBurst = 128 // requests that dividing may make at once
	probeRate  = 16  // and so many more a second
)

// probes bounds what dividing rejected requests may cost a destination: a token for each request, given back where the
// division found something that was taken. Its zero value is full.
type probes struct {
	mu    sync.Mutex
	spent float64
	last  time.Time
	vain  int // divisions in a row that found nothing, with nothing taken since
	skip  int // rejected batches that are not divided because of them
}

// take takes tokens for so many requests, or none.
func (p *probes) take(n int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.spent = max(0, p.spent-now.Sub(p.last).Seconds()*probeRate)
	p.last = now
	if p.skip > 0 {
		p.skip--
		return false
	}
	if p.spent+float64(n) > probeBurst {
		return false
	}
	p.spent += float64(n)
	return true
}

// useful gives the tokens of a round back.
func (p *probes) useful(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spent = max(0, p.spent-float64(n))
}

// hopeless notes that a whole batch is rejected piece by piece. The next ones are tried with few requests, then only
// now and then: a destination that rejects everything gets about one request a batch.
func (p *probes) hopeless() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vain++
	if p.vain > 3 {
		p.skip = 1 << min(p.vain-3, 6)
	}
}

// hopeful says whether something was taken since a division found nothing.
func (p *probes) hopeful() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vain == 0
}

// taken notes that the destination takes something.
func (p *probes) taken() {
	p.mu.Lock()
	p.vain, p.skip = 0, 0
	p.mu.Unlock()
}
