package divide

import (
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/throttle"
)

const (
	probeBurst = 128 // requests that dividing may make at once
	probeRate  = 16  // and so many more a second
)

// A History is what divisions found out about a destination, and bounds what they may cost it: a token for each request,
// given back where a division found something that was taken. Its zero value is full.
type History struct {
	undivided throttle.Line // of the log

	mu    sync.Mutex
	spent float64
	last  time.Time
	vain  int // divisions in a row that found nothing, with nothing taken since
	skip  int // rejected batches that are not divided because of them
	fine  int // how often the parts of a sample are halved, since none was taken
}

// take takes tokens for so many requests, or none.
func (p *History) take(n int) bool {
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
func (p *History) useful(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spent = max(0, p.spent-float64(n))
}

// hopeless notes that a whole batch is rejected piece by piece. The next ones are tried with few requests, then only
// now and then: a destination that rejects everything gets about one request a batch.
func (p *History) hopeless() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vain++
	if p.vain > 3 {
		p.skip = 1 << min(p.vain-3, 6)
	}
}

// hopeful says whether something was taken since a division found nothing.
func (p *History) hopeful() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vain == 0
}

// Taken notes that the destination takes something.
func (p *History) Taken() {
	p.mu.Lock()
	p.vain, p.skip = 0, 0
	p.mu.Unlock()
}
