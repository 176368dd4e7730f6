package memorylimiter

import (
	"errors"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's memory_limiter.
type Config struct {
	// CheckInterval is how often the heap is checked.
	CheckInterval time.Duration `mapstructure:"check_interval"`
	// LimitMiB is the hard limit of the process.
	LimitMiB uint32 `mapstructure:"limit_mib"`
	// SpikeLimitMiB is how far below the hard limit intake is refused; 0 means a fifth of it.
	SpikeLimitMiB uint32 `mapstructure:"spike_limit_mib"`
	// LimitPercentage is the hard limit in percent of GOMEMLIMIT if set, else the cgroup's limit or the machine's
	// memory. LimitMiB takes precedence.
	LimitPercentage uint32 `mapstructure:"limit_percentage"`
	// SpikeLimitPercentage is SpikeLimitMiB in percent of the same.
	SpikeLimitPercentage uint32 `mapstructure:"spike_limit_percentage"`
}

// Default has no limit, which Validate refuses: no limit suits every machine.
func Default() *Config { return &Config{CheckInterval: time.Second} }

// Validate applies the Collector's rules.
func (c *Config) Validate() error {
	var errs []error
	if c.CheckInterval <= 0 {
		errs = append(errs, errors.New(`"check_interval" must be positive; write for example 1s`))
	}
	if c.LimitMiB == 0 && c.LimitPercentage == 0 {
		errs = append(errs, errors.New(`there is no limit; set "limit_mib", or "limit_percentage" for example to 75`))
	}
	if c.LimitMiB > 0 && c.SpikeLimitMiB >= c.LimitMiB {
		errs = append(errs, errors.New(`"spike_limit_mib" must be smaller than "limit_mib"; write about a fifth of it`))
	}
	if c.LimitPercentage > 100 {
		errs = append(errs, errors.New(`"limit_percentage" is above 100; write for example 75`))
	}
	if c.SpikeLimitPercentage > 100 {
		errs = append(errs, errors.New(`"spike_limit_percentage" is above 100; write for example 15`))
	} else if c.LimitMiB == 0 && c.LimitPercentage > 0 && c.SpikeLimitPercentage >= c.LimitPercentage {
		errs = append(errs, errors.New(`"spike_limit_percentage" must be smaller than "limit_percentage"; write about a fifth of it`))
	}
	return errors.Join(errs...)
}

// MemoryLimit is found by package pipeline/config through an interface.
func (c *Config) MemoryLimit() pipeline.MemoryLimit {
	return pipeline.MemoryLimit{
		CheckInterval:        c.CheckInterval,
		LimitMiB:             uint64(c.LimitMiB),
		SpikeLimitMiB:        uint64(c.SpikeLimitMiB),
		LimitPercentage:      uint64(c.LimitPercentage),
		SpikeLimitPercentage: uint64(c.SpikeLimitPercentage),
	}
}

// Component describes memory_limiter.
func Component() pipeline.Component {
	return pipeline.Processor("memory_limiter", Default, New, pipeline.Metrics, pipeline.Logs, pipeline.Traces).
		WithDoc("sets the memory budget of the process; refusing happens at the receivers").
		WithUnsupported(map[string]string{
			"min_gc_interval_when_soft_limited": "take it out; garbage is collected before intake is refused, at most once a second",
			"min_gc_interval_when_hard_limited": "take it out; garbage is collected before intake is refused, at most once a second",
		})
}
