package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sluiceio/sluice/wire/prom"
)

// Options say how the store behaves. DefaultOptions fits a laptop; the zero value of a field is its default.
type Options struct {
	// Retention is how old samples may become; 0 is 7 days. Older ones are refused as too_old on arrival.
	Retention time.Duration
	// MaxBytes bounds the folder by deleting the oldest blocks; 0 leaves that to DropOldest.
	MaxBytes int64

	// MaxSeries bounds the series that are in memory at once, those of the last two to three hours, at 1 to 3 KiB
	// each; 0 is 250,000. Samples of further new series are refused as overflow.
	MaxSeries int
	// CacheBytes bounds what is remembered of series between requests; 0 is 32 MiB, enough for some 45,000 series that
	// keep coming. Beyond that they are found by their labels, at ten times the cost.
	CacheBytes int
	// MaxExemplars is how many exemplars are kept, in memory, newest first; 0 is 10,000.
	MaxExemplars int64

	// QueryTimeout ends a query; 0 is 1 minute.
	QueryTimeout time.Duration
	// QueryConcurrency is how many queries run at once, others wait; 0 is 4.
	QueryConcurrency int
	// QueryMaxSamples is how many samples a query may hold in memory, 16 bytes each; 0 is 10,000,000.
	QueryMaxSamples int

	// RuleFiles are globs of Prometheus rule files. A pattern without a match is not an error.
	RuleFiles []string
	// RulesFS holds further rule files, for example those built into the binary: every *.yaml and *.yml in it.
	RulesFS fs.FS
	// EvaluationInterval is that of rule groups which name none; 0 is 15 seconds.
	EvaluationInterval time.Duration
	// ExternalURL is where a browser reaches the query API; it stands in the links of alerts.
	ExternalURL string

	// Translate says how metrics become series; nil is prom.DefaultConfig.
	Translate *prom.Config
}

// DefaultOptions returns the options with every default written out.
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

// Validate reports every fault of the options.
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
