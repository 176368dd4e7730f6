package metrics

import (
	"context"
	"fmt"
	"time"
)

// Lookback is how far back a query looks for the newest value of a series, Prometheus' default.
const Lookback = 5 * time.Minute

// querySlots lets a bounded number of queries run; the others wait, as long as a query may take.
type querySlots struct {
	slots chan struct{}
	wait  time.Duration
}

func newQuerySlots(n int, wait time.Duration) querySlots {
	return querySlots{slots: make(chan struct{}, n), wait: wait}
}

// GetMaxConcurrent implements promql.QueryTracker.
func (q querySlots) GetMaxConcurrent() int { return cap(q.slots) }

// Insert implements promql.QueryTracker.
func (q querySlots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case q.slots <- struct{}{}: // also when the context has ended: the engine says that better
		return 0, nil
	default:
	}
	timeout := time.NewTimer(q.wait)
	defer timeout.Stop()
	select {
	case q.slots <- struct{}{}:
		return 0, nil
	case <-timeout.C:
		return 0, fmt.Errorf("the query waited %v for the %d that run; ask again later", q.wait, cap(q.slots))
	case <-ctx.Done():
		return 0, fmt.Errorf("the query was given up while it waited: %w", context.Cause(ctx))
	}
}

// Delete implements promql.QueryTracker.
func (q querySlots) Delete(int) { <-q.slots }

// Close implements promql.QueryTracker.
func (q querySlots) Close() error { return nil }
