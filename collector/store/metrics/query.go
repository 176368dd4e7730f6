package metrics

import (
	"context"
	"fmt"
	"time"
)

// lookback is how far back a query looks for the newest value of a series, Prometheus' default.
const lookback = 5 * time.Minute

// querySlots lets a bounded number of queries run; the others wait until their time ends.
type querySlots struct{ slots chan struct{} }

func newQuerySlots(n int) querySlots { return querySlots{slots: make(chan struct{}, n)} }

// GetMaxConcurrent implements promql.QueryTracker.
func (q querySlots) GetMaxConcurrent() int { return cap(q.slots) }

// Insert implements promql.QueryTracker.
func (q querySlots) Insert(ctx context.Context, _ string) (int, error) {
	select {
	case q.slots <- struct{}{}:
		return 0, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("the query waited for %d others until its time ended: %w", cap(q.slots), context.Cause(ctx))
	}
}

// Delete implements promql.QueryTracker.
func (q querySlots) Delete(int) { <-q.slots }

// Close implements promql.QueryTracker.
func (q querySlots) Close() error { return nil }
