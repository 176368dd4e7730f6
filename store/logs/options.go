package logs

import (
	"errors"
	"fmt"
	"time"
)

// Options is what the root of the store decides for the logs.
type Options struct {
	// Retention is how long rows are kept. Older rows are refused and counted as too_old. Days are removed whole, so a row
	// goes up to a day later.
	Retention time.Duration
	// MaxBytes is the size on disk above which the oldest days are removed. 0 leaves that to the common budget of all
	// stores, which calls DropOldest.
	MaxBytes int64
	// MemoryBytes is what the library may use for caches and for rows that are not yet on disk. It is set once for the
	// process, by the first Open.
	MemoryBytes int64
	// CheckpointBytes and CheckpointEvery bound the write-ahead log, and with it the time that a start after a crash takes.
	CheckpointBytes int64
	CheckpointEvery time.Duration

	// MaxSeries is how many series a metric query may have, before and after it is aggregated.
	MaxSeries int
	// MaxResultBytes bounds what one query holds in memory.
	MaxResultBytes int64
	// MaxQueries is how many queries run at once; the others wait.
	MaxQueries int
	// QueryTimeout ends a query that takes longer.
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

// withDefaults puts the default where a value is 0.
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

// Validate names every option that cannot be.
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
