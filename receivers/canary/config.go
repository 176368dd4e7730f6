package canary

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets.
type Config struct {
	// Interval is the time between two records.
	Interval time.Duration `mapstructure:"interval"`
	// Instance tells this canary from others; empty for the name of the host.
	Instance string `mapstructure:"instance"`
}

const (
	minInterval = 10 * time.Millisecond
	maxInstance = 128
)

// Default is one record a second, under the name of the host.
func Default() *Config { return &Config{Interval: time.Second} }

// Validate reports every fault, with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.Interval < minInterval {
		errs = append(errs, fmt.Errorf(`"interval" is %s; write at least %s`, c.Interval, minInterval))
	}
	if len(c.Instance) > maxInstance {
		errs = append(errs, fmt.Errorf(`"instance" has %d bytes; write at most %d`, len(c.Instance), maxInstance))
	}
	return errors.Join(errs...)
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("canary", Default, New, pipeline.Signals[:]...).
		WithDoc("makes numbered records, whose loss and delay the processor canary measures")
}
