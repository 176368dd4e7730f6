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

// A History bounds the requests of all divisions for a destination by a token bucket; tokens of a round that got
// something accepted are given back. The zero value is a full bucket.
type History struct {
	undivided throttle.Line // of the log

	mu    sync.Mutex
	spent float64
	last  time.Time
	vain  int // divisions in a row that found nothing, with nothing taken since
	skip  int // rejected batches that are not divided because of them
	fine  int // how often the parts of a sample are halved, since none was taken
}

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

func (p *History) useful(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spent = max(0, p.spent-float64(n))
}

// hopeless notes that every piece of a batch was rejected. Later batches get few requests, then mostly one: a
// destination that rejects everything gets about one request per batch.
func (p *History) hopeless() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.vain++
	if p.vain > 3 {
		p.skip = 1 << min(p.vain-3, 6)
	}
}

func (p *History) hopeful() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.vain == 0
}

// Taken notes that the destination accepted something.
func (p *History) Taken() {
	p.mu.Lock()
	p.vain, p.skip = 0, 0
	p.mu.Unlock()
}
