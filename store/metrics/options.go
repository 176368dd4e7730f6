package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sluiceio/sluice/wire/prom"
)

// Options configure the store. A zero field means its default.
type Options struct {
	// Retention defaults to 7 days. Older samples are refused as too_old.
	Retention time.Duration
	// MaxBytes limits the folder; 0 leaves that to DropOldest.
	MaxBytes int64

	// MaxSeries limits the series in memory, those of the last two to three hours, at 0.9 KB and 150 to 340 B of cache each; default
	// 250,000. Further new series are refused as overflow.
	MaxSeries int
	// CacheBytes limits the series cache; default 32 MiB, for about 45,000 active series. Others are looked up by
	// labels, at ten times the cost.
	CacheBytes int
	// MaxExemplars is how many exemplars stay in memory; default 10,000.
	MaxExemplars int64

	// QueryTimeout defaults to 1 minute.
	QueryTimeout time.Duration
	// QueryConcurrency is how many queries run at once; default 4.
	QueryConcurrency int
	// QueryMaxSamples limits the samples of a query in memory, 16 bytes each; default 10,000,000.
	QueryMaxSamples int

	// RuleFiles are globs of rule files; a glob may match nothing.
	RuleFiles []string
	// RulesFS holds more rule files: *.yaml and *.yml.
	RulesFS fs.FS
	// EvaluationInterval is the default of rule groups; 0 is 15 seconds.
	EvaluationInterval time.Duration
	// ExternalURL is for links in alerts.
	ExternalURL string

	// Translate defaults to prom.DefaultConfig.
	Translate *prom.Config
}

// DefaultOptions returns all defaults.
func DefaultOptions() Options {
	var o Options
	o.setDefaults()
	return o
}

func (o *Options) setDefaults() {
	setDefault(&o.Retention, 7*24*time.Hour)
	setDefault(&o.MaxSeries, 250_000)
	setDefault(&o.CacheBytes, prom.DefaultCacheBytes)
	setDefault(&o.MaxExemplars, 10_000)
	setDefault(&o.QueryTimeout, time.Minute)
	setDefault(&o.QueryConcurrency, 4)
	setDefault(&o.QueryMaxSamples, 10_000_000)
	setDefault(&o.EvaluationInterval, 15*time.Second)
	if o.Translate == nil {
		c := prom.DefaultConfig()
		o.Translate = &c
	}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports all faults.
func (o Options) Validate() error {
	var faults []error
	positive := func(key string, ok bool) {
		if !ok {
			faults = append(faults, fmt.Errorf("%q must be positive", key))
		}
	}
	if o.Retention < blockRange {
		faults = append(faults, fmt.Errorf("%q is %v; write %v or more, which is what the youngest block on disk holds",
			"retention", o.Retention, blockRange))
	}
	positive("max_series", o.MaxSeries > 0)
	positive("max_exemplars", o.MaxExemplars > 0)
	positive("query_timeout", o.QueryTimeout > 0)
	positive("query_concurrency", o.QueryConcurrency > 0)
	positive("query_max_samples", o.QueryMaxSamples > 0)
	positive("evaluation_interval", o.EvaluationInterval > 0)
	if o.MaxBytes < 0 {
		faults = append(faults, fmt.Errorf("%q must not be negative", "max_bytes"))
	}
	return errors.Join(faults...)
}
