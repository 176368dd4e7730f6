package probabilisticsampler

import (
	"errors"
	"fmt"
	"math"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's probabilistic_sampler processor.
type Config struct {
	// SamplingPercentage is how much is kept; 100 and more for everything.
	SamplingPercentage float32 `mapstructure:"sampling_percentage"`
	// HashSeed, of the mode hash_seed: instances with the same seed keep the same items.
	HashSeed uint32 `mapstructure:"hash_seed"`
	// Mode is hash_seed, equalizing or proportional.
	Mode string `mapstructure:"mode"`
	// FailClosed drops what has no trace ID, or sampling information that cannot be read.
	FailClosed bool `mapstructure:"fail_closed"`
	// SamplingPrecision is the number of hexadecimal digits of a threshold.
	SamplingPrecision int `mapstructure:"sampling_precision"`
	// AttributeSource, of logs, is traceID or record.
	AttributeSource string `mapstructure:"attribute_source"`
	// FromAttribute, of logs, is the attribute to decide by where AttributeSource is record or there is no trace ID.
	FromAttribute string `mapstructure:"from_attribute"`
	// SamplingPriority, of logs, is the attribute with a record's own percentage.
	SamplingPriority string `mapstructure:"sampling_priority"`
}

// The modes, and the sources of logs.
const (
	modeHash         = "hash_seed"
	modeEqualizing   = "equalizing"
	modeProportional = "proportional"

	sourceTraceID = "traceID"
	sourceRecord  = "record"
)

// Default keeps nothing, as in the Collector.
func Default() *Config {
	return &Config{AttributeSource: sourceTraceID, FailClosed: true, SamplingPrecision: 4}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	p := float64(c.SamplingPercentage)
	fault(math.IsNaN(p) || math.IsInf(p, 0) || p < 0 || p > 0 && p/100 < sampling.MinSamplingProbability,
		`"sampling_percentage" is %v; write 0 to 100`, c.SamplingPercentage)
	switch c.Mode {
	case "", modeHash, modeEqualizing, modeProportional:
	default:
		fault(true, `"mode" is %q; write hash_seed, equalizing or proportional`, c.Mode)
	}
	fault(c.SamplingPrecision < 1 || c.SamplingPrecision > sampling.NumHexDigits, `"sampling_precision" is %d; write 1 to %d`, c.SamplingPrecision, sampling.NumHexDigits)
	fault(c.AttributeSource != sourceTraceID && c.AttributeSource != sourceRecord, `"attribute_source" is %q; write traceID or record`, c.AttributeSource)
	fault(c.AttributeSource == sourceRecord && c.FromAttribute == "", `"attribute_source" is record, but "from_attribute" is empty; name the attribute`)
	return errors.Join(errs...)
}

// Warnings reports what is valid and probably not intended.
func (c *Config) Warnings() []string {
	if c.SamplingPercentage == 0 && c.SamplingPriority == "" {
		return []string{"sampling_percentage: is 0 or not set, so everything is dropped; write how much is kept, such as 10"}
	}
	return nil
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("probabilistic_sampler", Default, New, pipeline.Traces, pipeline.Logs).
		WithDoc("keeps a percentage of traces or logs: the same ones as the Collector's, by trace ID or an attribute")
}
