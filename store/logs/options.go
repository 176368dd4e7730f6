package logs

import (
	"errors"
	"fmt"
	"time"
)

// Options configure the store.
type Options struct {
	// Retention refuses older rows as too_old. Whole days are removed, so a row may stay a day longer.
	Retention time.Duration
	// MaxBytes limits the size on disk; 0 leaves that to the shared budget and DropOldest.
	MaxBytes int64
	// MemoryBytes limits the library's caches and unwritten rows. The first Open sets it for the process.
	MemoryBytes int64
	// CheckpointBytes and CheckpointEvery limit the write-ahead log, and so the time of a replay.
	CheckpointBytes int64
	CheckpointEvery time.Duration

	// MaxSeries limits the series of a metric query, before and after aggregation.
	MaxSeries int
	// MaxResultBytes limits the memory of a query.
	MaxResultBytes int64
	// MaxQueries limits concurrent queries; others wait.
	MaxQueries   int
	QueryTimeout time.Duration
}

// DefaultOptions are those of `sluice up`.
func DefaultOptions() Options {
	return Options{
		Retention: 7 * 24 * time.Hour, MemoryBytes: 64 << 20,
		CheckpointBytes: 64 << 20, CheckpointEvery: 5 * time.Minute,
		MaxSeries: 1000, MaxResultBytes: 64 << 20, MaxQueries: 8, QueryTimeout: time.Minute,
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	orDefault(&o.Retention, d.Retention)
	orDefault(&o.MemoryBytes, d.MemoryBytes)
	orDefault(&o.CheckpointBytes, d.CheckpointBytes)
	orDefault(&o.CheckpointEvery, d.CheckpointEvery)
	orDefault(&o.MaxSeries, d.MaxSeries)
	orDefault(&o.MaxResultBytes, d.MaxResultBytes)
	orDefault(&o.MaxQueries, d.MaxQueries)
	orDefault(&o.QueryTimeout, d.QueryTimeout)
	return o
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate reports all faults.
func (o Options) Validate() error {
	var errs []error
	positive := func(name string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("logs: %q must not be negative", name))
		}
	}
	if o.Retention > 0 && o.Retention < time.Hour {
		errs = append(errs, errors.New(`logs: "retention" must be an hour or more`))
	}
	positive("retention", o.Retention >= 0)
	positive("max_bytes", o.MaxBytes >= 0)
	positive("memory_bytes", o.MemoryBytes >= 0)
	positive("checkpoint_bytes", o.CheckpointBytes >= 0)
	positive("checkpoint_every", o.CheckpointEvery >= 0)
	positive("max_series", o.MaxSeries >= 0)
	positive("max_result_bytes", o.MaxResultBytes >= 0)
	positive("max_queries", o.MaxQueries >= 0)
	positive("query_timeout", o.QueryTimeout >= 0)
	return errors.Join(errs...)
}
