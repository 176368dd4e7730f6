package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Engine evaluates PromQL within the limits of Options.
func (s *Store) Engine() promql.QueryEngine { return s.engine }

// Querier implements storage.Queryable.
func (s *Store) Querier(from, to int64) (storage.Querier, error) { return s.db.Querier(from, to) }

// ChunkQuerier implements storage.ChunkQueryable.
func (s *Store) ChunkQuerier(from, to int64) (storage.ChunkQuerier, error) {
	return s.db.ChunkQuerier(from, to)
}

// ExemplarQuerier implements storage.ExemplarQueryable.
func (s *Store) ExemplarQuerier(ctx context.Context) (storage.ExemplarQuerier, error) {
	return s.db.ExemplarQuerier(ctx)
}

// Stats returns the metrics and labels with the most series.
func (s *Store) Stats(label string, limit int) *tsdb.Stats { return s.db.Head().Stats(label, limit) }

// BlockMetas describes the blocks on disk.
func (s *Store) BlockMetas() []tsdb.BlockMeta { return s.db.BlockMetas() }

// Rules returns the rule manager.
func (s *Store) Rules() *rules.Manager { return s.rules }

// Gatherer returns the TSDB's own metrics.
func (s *Store) Gatherer() prometheus.Gatherer { return s.registry }

// Lookback is Prometheus' default.
const Lookback = 5 * time.Minute

// querySlots limits concurrent queries. Others wait up to the query timeout.
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
	case q.slots <- struct{}{}: // even if ctx has ended: the engine's error for that is better
		return 0, nil
	default:
	}
	timeout := time.NewTimer(q.wait)
	defer timeout.Stop()
	select {
	case q.slots <- struct{}{}:
		return 0, nil
	case <-timeout.C:
		return 0, fmt.Errorf("the query waited %v for one of %d slots; try again later", q.wait, cap(q.slots))
	case <-ctx.Done():
		return 0, fmt.Errorf("the query was cancelled while it waited for a slot: %w", context.Cause(ctx))
	}
}

// Delete implements promql.QueryTracker.
func (q querySlots) Delete(int) { <-q.slots }

// Close implements promql.QueryTracker.
func (q querySlots) Close() error { return nil }
