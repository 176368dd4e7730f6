package metrics

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// Engine evaluates PromQL, within the bounds that Options set.
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

// Stats are figures of the series in memory: which metrics and labels have most of them.
func (s *Store) Stats(label string, limit int) *tsdb.Stats { return s.db.Head().Stats(label, limit) }

// BlockMetas describes the blocks on disk.
func (s *Store) BlockMetas() []tsdb.BlockMeta { return s.db.BlockMetas() }

// Rules are the rules that run, with the alerts that fire.
func (s *Store) Rules() *rules.Manager { return s.rules }

// Gatherer has the TSDB's own metrics.
func (s *Store) Gatherer() prometheus.Gatherer { return s.registry }
