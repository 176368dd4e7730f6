package limit

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets. There is no such processor in the Collector.
type Config struct {
	// By is the resource attribute whose values have budgets, such as k8s.namespace.name.
	By string `mapstructure:"by"`
	// Budget is for each value that Overrides does not name.
	Budget `mapstructure:",squash"`
	// Overrides are budgets of their own for some values.
	Overrides []Override `mapstructure:"overrides"`
	// OnLimit is refuse, so that the sender waits and tries again, or drop.
	OnLimit string `mapstructure:"on_limit"`
	// Burst is how much of a rate's budget may be used at once.
	Burst time.Duration `mapstructure:"burst"`
	// SeriesWindow is how long a series counts as active after its last point.
	SeriesWindow time.Duration `mapstructure:"series_window"`
	// MaxValues bounds the values that are told apart; the others share one budget, named other.
	MaxValues int `mapstructure:"max_values"`
}

// Budget limits what one value may send. 0 is no limit.
type Budget struct {
	RecordsPerSecond float64 `mapstructure:"records_per_second"`
	BytesPerSecond   float64 `mapstructure:"bytes_per_second"`
	ActiveSeries     int     `mapstructure:"active_series"`
}

// Override is a budget for some values, in place of the common one.
type Override struct {
	Values []string `mapstructure:"values"`
	Budget `mapstructure:",squash"`
}

const (
	onLimitRefuse = "refuse"
	onLimitDrop   = "drop"
)

// Default has no budget, which Validate refuses.
func Default() *Config {
	return &Config{OnLimit: onLimitRefuse, Burst: 10 * time.Second, SeriesWindow: 10 * time.Minute, MaxValues: 1000}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(c.By == "", `"by" is not set; write the resource attribute whose values have budgets, such as k8s.namespace.name`)
	fault(c.OnLimit != onLimitRefuse && c.OnLimit != onLimitDrop, `"on_limit" is %q; write refuse or drop`, c.OnLimit)
	fault(c.Burst < time.Second, `"burst" is %s; write at least 1s`, c.Burst)
	fault(c.SeriesWindow < 10*time.Second, `"series_window" is %s; write at least 10s, and more than the interval of your scrapes`, c.SeriesWindow)
	fault(c.MaxValues < 1, `"max_values" is %d; write at least 1`, c.MaxValues)
	limits := c.limited()
	c.faults("", fault)
	seen := map[string]bool{}
	for i, o := range c.Overrides {
		at := fmt.Sprintf("overrides[%d]", i)
		fault(len(o.Values) == 0, `"%s::values" is empty; list the values that the budget is for`, at)
		for _, v := range o.Values {
			fault(seen[v], `"%s::values": %q has a budget already`, at, v)
			seen[v] = true
		}
		o.faults(at+"::", fault)
		limits = limits || o.limited()
	}
	fault(!limits, `no budget is set; write records_per_second, bytes_per_second or active_series`)
	return errors.Join(errs...)
}

// CheckSignal implements pipeline.SignalUser: only metrics have series.
func (c *Config) CheckSignal(s pipeline.Signal) error {
	rate := func(b Budget) bool { return b.RecordsPerSecond > 0 || b.BytesPerSecond > 0 }
	if s == pipeline.Metrics || rate(c.Budget) || slices.ContainsFunc(c.Overrides, func(o Override) bool { return rate(o.Budget) }) {
		return nil
	}
	return fmt.Errorf("limits only active_series, which %s do not have; write records_per_second or bytes_per_second, or take it out of this pipeline", s)
}

func (b Budget) limited() bool {
	return b.RecordsPerSecond > 0 || b.BytesPerSecond > 0 || b.ActiveSeries > 0
}

func (b Budget) faults(at string, fault func(bool, string, ...any)) {
	fault(!(b.RecordsPerSecond >= 0), `"%srecords_per_second" is %v; write 0 or more`, at, b.RecordsPerSecond)
	fault(!(b.BytesPerSecond >= 0), `"%sbytes_per_second" is %v; write 0 or more`, at, b.BytesPerSecond)
	fault(b.ActiveSeries < 0 || b.ActiveSeries > maxSeries, `"%sactive_series" is %d; write 0 to %d`, at, b.ActiveSeries, maxSeries)
}

// overrides reports whether a value has a budget of its own, which no other value may take.
func (c *Config) overrides(value string) bool {
	return slices.ContainsFunc(c.Overrides, func(o Override) bool { return slices.Contains(o.Values, value) })
}

// budget is that of a value.
func (c *Config) budget(value string) Budget {
	for _, o := range c.Overrides {
		for _, v := range o.Values {
			if v == value {
				return o.Budget
			}
		}
	}
	return c.Budget
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("limit", Default, New, pipeline.Signals[:]...).
		WithDoc("gives each namespace, team or other value of a resource attribute a budget of records, bytes and active series")
}
