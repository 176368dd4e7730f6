package pipeline

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Budget limits the bytes of telemetry inside the process. A receiver reserves once for a request's whole way,
// before it decompresses. Nothing inside the pipeline waits for budget, so it cannot deadlock.
type Budget struct {
	limit    atomic.Int64
	used     atomic.Int64
	refused  atomic.Int64
	pressure atomic.Bool // the second line: the heap is over its soft limit
}

// wayFactor is how many copies of a decompressed request may exist: the body, a merged copy, a compressed copy.
const wayFactor = 3

// admissionRetry is the Retry-After of a refusal: long enough for a destination to answer. Clients add jitter.
const admissionRetry = time.Second

// ErrNoBudget is in every refusal of a Budget.
var ErrNoBudget = errors.New("too much telemetry is in flight")

// NewBudget takes the limit in bytes.
func NewBudget(limit int64) *Budget {
	b := &Budget{}
	b.limit.Store(limit)
	return b
}

// Reservation is bytes reserved in a Budget. The zero value holds nothing. Not safe for concurrent use.
type Reservation struct {
	b *Budget
	n int64
}

// Reserve reserves for a request of n decompressed bytes, or refuses at once. n may be an estimate; correct it with
// Resize.
func (b *Budget) Reserve(n int) (Reservation, error) {
	l := Reservation{b: b}
	return l, l.Resize(n)
}

// Claim takes n bytes whether or not there is room: for what must work while the budget is used up.
func (b *Budget) Claim(n int64) Reservation {
	b.used.Add(n)
	return Reservation{b: b, n: n}
}

// Resize changes the reservation to that of a request of n decompressed bytes. If growing is refused it is
// unchanged.
func (l *Reservation) Resize(n int) error { return l.Hold(int64(n) * wayFactor) }

// Hold is Resize to exactly n bytes, for work whose need is known.
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

// Release releases everything. It may be called twice.
func (l *Reservation) Release() {
	if l.b != nil {
		l.b.used.Add(-l.n)
		l.n = 0
	}
}

func (b *Budget) take(n, own int64) error {
	if b.pressure.Load() {
		b.refused.Add(1)
		return Refuse(admissionRetry, fmt.Errorf("%w: the heap is over the memory limit", ErrNoBudget))
	}
	for {
		used, limit := b.used.Load(), b.limit.Load()
		// A request larger than the whole budget is admitted when it is alone, or it would be refused for ever. own
		// are its earlier reservations.
		if used+n > limit && used > own {
			b.refused.Add(1)
			return Refuse(admissionRetry, noRoom(own+n, used-own, limit))
		}
		if b.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

func noRoom(need, others, limit int64) error {
	if need > limit {
		return fmt.Errorf("%w: this request needs %d bytes at once and the limit is %d, so it is let in only while nothing else is inside; "+
			"send smaller requests, or protobuf in place of JSON, or raise memory_limiter's limit_mib or limit_percentage", ErrNoBudget, need, limit)
	}
	return fmt.Errorf("%w: this request needs %d bytes and others hold %d of %d", ErrNoBudget, need, others, limit)
}

// SetLimit sets the limit in bytes.
func (b *Budget) SetLimit(n int64) { b.limit.Store(n) }

// SetPressure refuses everything while on. It returns the previous value.
func (b *Budget) SetPressure(on bool) (before bool) { return b.pressure.Swap(on) }

// Refusals is the number of refused reservations.
func (b *Budget) Refusals() int64 { return b.refused.Load() }

// Used and Limit are in bytes.
func (b *Budget) Used() int64  { return b.used.Load() }
func (b *Budget) Limit() int64 { return b.limit.Load() }
