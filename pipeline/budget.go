package pipeline

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Budget is admission by bytes: what may be inside the process at once. A receiver reserves once for the whole way of a
// request, before it inflates anything. Nothing inside the pipeline waits for budget, so it cannot deadlock.
type Budget struct {
	limit    atomic.Int64
	used     atomic.Int64
	refused  atomic.Int64
	pressure atomic.Bool // the second line: the heap is over its soft limit
}

// wayFactor is how many times the bytes of an inflated request are held at most on the way: the body itself, a
// merged copy, a compressed copy (never larger than the body by more than a few bytes).
const wayFactor = 3

// admissionRetry is what a refused client is told to wait. It is long enough for a destination to answer and
// short against any client's patience; clients add their own jitter.
const admissionRetry = time.Second

// ErrNoBudget is inside every refusal of a Budget.
var ErrNoBudget = errors.New("too much telemetry is in flight")

// NewBudget makes a budget of limit bytes.
func NewBudget(limit int64) *Budget {
	b := &Budget{}
	b.limit.Store(limit)
	return b
}

// Reservation is a reservation. Its zero value holds nothing. It is not safe for concurrent use.
type Reservation struct {
	b *Budget
	n int64
}

// Reserve takes room for the whole way of a request of n inflated bytes, or refuses at once. n may be an
// estimate; true it up with Resize.
func (b *Budget) Reserve(n int) (Reservation, error) {
	l := Reservation{b: b}
	return l, l.Resize(n)
}

// Resize makes the reservation that of a request of n inflated bytes. Growing may be refused, and then the
// reservation keeps what it had.
func (l *Reservation) Resize(n int) error { return l.Hold(int64(n) * wayFactor) }

// Hold makes the reservation n bytes as they are, for work whose need is known. Otherwise it is like Resize.
func (l *Reservation) Hold(n int64) error {
	more := n - l.n
	if more > 0 {
		if err := l.b.take(more, l.n); err != nil {
			return err
		}
	} else {
		l.b.used.Add(more)
	}
	l.n = n
	return nil
}

// Release gives everything back. It may be called twice.
func (l *Reservation) Release() {
	if l.b != nil {
		l.b.used.Add(-l.n)
		l.n = 0
	}
}

// take adds n bytes to a reservation that has own bytes already.
func (b *Budget) take(n, own int64) error {
	if b.pressure.Load() {
		b.refused.Add(1)
		return Refuse(admissionRetry, fmt.Errorf("%w: the heap is over the memory limit", ErrNoBudget))
	}
	for {
		used, limit := b.used.Load(), b.limit.Load()
		// A request larger than the whole budget is admitted when nothing else is inside: refusing it for ever
		// would lose it. Its own earlier steps are not "else".
		if used+n > limit && used > own {
			b.refused.Add(1)
			return Refuse(admissionRetry, noRoom(own+n, used-own, limit))
		}
		if b.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// noRoom says what a request of need bytes is refused for: others, or that it is too large to fit beside anybody.
func noRoom(need, others, limit int64) error {
	if need > limit {
		return fmt.Errorf("%w: this request needs %d bytes at once and the limit is %d, so it is let in only while nothing else is inside; "+
			"send smaller requests, or protobuf in place of JSON, or raise memory_limiter's limit_mib or limit_percentage", ErrNoBudget, need, limit)
	}
	return fmt.Errorf("%w: this request needs %d bytes and others hold %d of %d", ErrNoBudget, need, others, limit)
}

// SetLimit changes how many bytes may be reserved.
func (b *Budget) SetLimit(n int64) { b.limit.Store(n) }

// SetPressure makes the budget refuse everything while the heap is over its limit. It answers what was set before.
func (b *Budget) SetPressure(on bool) (before bool) { return b.pressure.Swap(on) }

// Refusals is how often a reservation was refused.
func (b *Budget) Refusals() int64 { return b.refused.Load() }

// Used is how many bytes are reserved now; Limit is how many may be.
func (b *Budget) Used() int64  { return b.used.Load() }
func (b *Budget) Limit() int64 { return b.limit.Load() }
