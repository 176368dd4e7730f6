package delivery

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/internal/backoff"
)

// Config has the keys of all network exporters, which embed it with squash.
type Config struct {
	// Queue limits the waiting callers.
	Queue QueueConfig `mapstructure:"sending_queue"`
	// Retry configures retries.
	Retry RetryConfig `mapstructure:"retry_on_failure"`
	// MaxInFlight is the number of concurrent requests. 0 means sending_queue::num_consumers.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// Credentials are read from files.
	Credentials credential.Config `mapstructure:",squash"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Queue: DefaultQueueConfig(), Retry: DefaultRetryConfig()}
}

// Validate reports every fault, with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxInFlight < 0 {
		errs = append(errs, fmt.Errorf(`"max_in_flight" is %d; write 0 or more`, c.MaxInFlight))
	}
	return errors.Join(append(errs, c.Queue.Validate(), c.Retry.Validate(), c.Credentials.Validate())...)
}

// Options are the part of the configuration that a Sender needs.
func (c *Config) Options(timeout time.Duration) Options {
	return Options{Queue: c.Queue, Retry: c.Retry, MaxInFlight: c.Places(), Timeout: timeout}
}

// Places is the number of concurrent requests.
func (c *Config) Places() int {
	if c.MaxInFlight > 0 {
		return c.MaxInFlight
	}
	return c.Queue.NumConsumers
}

// Unsupported lists the Collector exporter keys that we do not support, plus more.
func Unsupported(more map[string]string) map[string]string {
	keys := map[string]string{
		"auth":                            `extensions are not hosted; write "bearer_token_file" or "basic_auth", or "headers"`,
		"middlewares":                     "extensions are not hosted; remove the key",
		"sending_queue::batch::partition": "batches of different tenants and routes are always kept apart; remove the key",
	}
	maps.Copy(keys, more)
	return keys
}

// RetryConfig is retry_on_failure, with the Collector's keys.
type RetryConfig struct {
	// Enabled turns retries on. Without it the first failure refuses the caller.
	Enabled bool `mapstructure:"enabled"`
	// InitialInterval bounds the first wait. Each wait is uniform between 0 and its bound (full jitter).
	InitialInterval time.Duration `mapstructure:"initial_interval"`
	// RandomizationFactor is accepted and ignored: the jitter is always full.
	RandomizationFactor float64 `mapstructure:"randomization_factor"`
	// Multiplier is the growth of the bound from one wait to the next.
	Multiplier float64 `mapstructure:"multiplier"`
	// MaxInterval is the largest bound. A Retry-After may exceed it.
	MaxInterval time.Duration `mapstructure:"max_interval"`
	// MaxElapsedTime is when the caller is refused; 0 leaves it to the caller's deadline.
	MaxElapsedTime time.Duration `mapstructure:"max_elapsed_time"`
}

// DefaultRetryConfig returns the defaults of retry_on_failure. The first retry comes within 200 ms instead of the
// Collector's 5 s, because a caller waits, and there is no time limit.
func DefaultRetryConfig() RetryConfig {
	return RetryConfig{
		Enabled: true, InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2,
		MaxInterval: 30 * time.Second,
	}
}

// Validate reports every fault, with its key.
func (c *RetryConfig) Validate() error {
	if !c.Enabled {
		return nil
	}
	var errs []error
	if c.InitialInterval <= 0 {
		errs = append(errs, fmt.Errorf(`"retry_on_failure::initial_interval" is %s; write a duration over 0, like 200ms`, c.InitialInterval))
	}
	if c.MaxInterval < c.InitialInterval {
		errs = append(errs, fmt.Errorf(`"retry_on_failure::max_interval" is %s; write at least initial_interval, %s`, c.MaxInterval, c.InitialInterval))
	}
	if !(c.Multiplier >= 1) { // NaN is not, either
		errs = append(errs, fmt.Errorf(`"retry_on_failure::multiplier" is %v; write at least 1`, c.Multiplier))
	}
	if c.RandomizationFactor < 0 || c.RandomizationFactor > 1 {
		errs = append(errs, fmt.Errorf(`"retry_on_failure::randomization_factor" is %v; write a number from 0 to 1`, c.RandomizationFactor))
	}
	if c.MaxElapsedTime < 0 {
		errs = append(errs, fmt.Errorf(`"retry_on_failure::max_elapsed_time" is %s; write 0 or more`, c.MaxElapsedTime))
	}
	return errors.Join(errs...)
}

func (c *RetryConfig) backoff() backoff.Backoff {
	return backoff.Backoff{Min: c.InitialInterval, Max: c.MaxInterval, Multiplier: c.Multiplier}
}
