package delivery

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/internal/backoff"
)

// Config is the keys that all exporters with a network behind them share. An exporter's own configuration embeds it
// with squash.
type Config struct {
	// Queue bounds and orders the callers that wait.
	Queue QueueConfig `mapstructure:"sending_queue"`
	// Retry says how a request is repeated.
	Retry RetryConfig `mapstructure:"retry_on_failure"`
	// MaxInFlight is how many requests are on the wire at once. 0 means sending_queue::num_consumers.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// Credentials are those that come from files.
	Credentials credential.Config `mapstructure:",squash"`
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{Queue: DefaultQueueConfig(), Retry: DefaultRetryConfig()}
}

// Validate reports every fault, with the key below the exporter.
func (c *Config) Validate() error {
	var errs []error
	if c.MaxInFlight < 0 {
		errs = append(errs, fmt.Errorf(`"max_in_flight" is %d; write 0 or more`, c.MaxInFlight))
	}
	return errors.Join(append(errs, c.Queue.Validate(), c.Retry.Validate(), c.Credentials.Validate())...)
}

// Options are what a Sender needs of the configuration.
func (c *Config) Options(timeout time.Duration) Options {
	return Options{Queue: c.Queue, Retry: c.Retry, MaxInFlight: c.Places(), Timeout: timeout}
}

// Places is how many requests may be on the wire at once.
func (c *Config) Places() int {
	if c.MaxInFlight > 0 {
		return c.MaxInFlight
	}
	return c.Queue.NumConsumers
}

// Unsupported names the keys of the Collector's exporters that ours do not have, and an exporter's own beside them.
func Unsupported(more map[string]string) map[string]string {
	keys := map[string]string{
		"auth":                   `extensions are not hosted; write "bearer_token_file" or "basic_auth", or "headers"`,
		"middlewares":            "extensions are not hosted; remove the key",
		"sending_queue::storage": "a queue on disk is not supported; callers wait, and nothing is answered before it is delivered",
		"sending_queue::batch":   "put the processor batch into the pipeline instead",
	}
	maps.Copy(keys, more)
	return keys
}

// QueueConfig is the section sending_queue of an exporter, with the Collector's keys. It is a queue of callers, not
// of data: the callers wait, and nil comes with the destination's answer, whatever wait_for_result says.
type QueueConfig struct {
	// Enabled says whether queue_size bounds how many callers wait. Without it each waits until its own deadline.
	Enabled bool `mapstructure:"enabled"`
	// NumConsumers is how many requests are on the wire at once, unless max_in_flight says otherwise.
	NumConsumers int `mapstructure:"num_consumers"`
	// QueueSize is how much may wait for a place on the wire, counted by sizer. More is refused as overload.
	QueueSize int `mapstructure:"queue_size"`
	// Sizer is what queue_size counts: requests, items or bytes.
	Sizer string `mapstructure:"sizer"`
	// BlockOnOverflow lets callers wait over queue_size instead of being refused.
	BlockOnOverflow bool `mapstructure:"block_on_overflow"`
	// WaitForResult is taken for the Collector's sake. Both values mean true here.
	WaitForResult bool `mapstructure:"wait_for_result"`
}

// RetryConfig is the section retry_on_failure of an exporter, with the Collector's keys.
type RetryConfig struct {
	// Enabled says whether a request is repeated inside the call. Without it the first failure refuses the caller.
	Enabled bool `mapstructure:"enabled"`
	// InitialInterval bounds the first wait; each wait is uniform between nothing and its bound (full jitter).
	InitialInterval time.Duration `mapstructure:"initial_interval"`
	// RandomizationFactor is taken for the Collector's sake; the jitter is always full.
	RandomizationFactor float64 `mapstructure:"randomization_factor"`
	// Multiplier is what each wait's bound is multiplied by for the next.
	Multiplier float64 `mapstructure:"multiplier"`
	// MaxInterval is the largest bound. A Retry-After of the destination may exceed it.
	MaxInterval time.Duration `mapstructure:"max_interval"`
	// MaxElapsedTime is after how long the caller is refused. 0 leaves that to the caller's own deadline.
	MaxElapsedTime time.Duration `mapstructure:"max_elapsed_time"`
}

// DefaultQueueConfig returns the defaults of sending_queue.
func DefaultQueueConfig() QueueConfig {
	return QueueConfig{Enabled: true, NumConsumers: 10, QueueSize: 1000, Sizer: "requests", WaitForResult: true}
}

// DefaultRetryConfig returns the defaults of retry_on_failure. They come back sooner than the Collector's (200 ms
// rather than 5 s for the first retry), because a caller waits, and never give up by themselves.
func DefaultRetryConfig() RetryConfig {
	return RetryConfig{
		Enabled: true, InitialInterval: 200 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2,
		MaxInterval: 30 * time.Second,
	}
}

// Validate reports every fault, with the key below the exporter.
func (c *QueueConfig) Validate() error {
	var errs []error
	if c.NumConsumers < 1 {
		errs = append(errs, fmt.Errorf(`"sending_queue::num_consumers" is %d; write at least 1`, c.NumConsumers))
	}
	if c.Enabled && c.QueueSize < 1 {
		errs = append(errs, fmt.Errorf(`"sending_queue::queue_size" is %d; write at least 1, or enabled: false`, c.QueueSize))
	}
	switch c.Sizer {
	case "requests", "items", "bytes":
	default:
		errs = append(errs, fmt.Errorf(`"sending_queue::sizer" is %q; write requests, items or bytes`, c.Sizer))
	}
	return errors.Join(errs...)
}

// Validate reports every fault, with the key below the exporter.
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

// backoff is the waits between the attempts of one request.
func (c *RetryConfig) backoff() backoff.Backoff {
	return backoff.Backoff{Min: c.InitialInterval, Max: c.MaxInterval, Multiplier: c.Multiplier}
}

// weight is what a batch counts in the queue.
func (c *QueueConfig) weight(items, bytes int) int {
	switch c.Sizer {
	case "items":
		return items
	case "bytes":
		return bytes
	}
	return 1
}

// limit is the most that may wait; 0 means no limit.
func (c *QueueConfig) limit() int {
	if !c.Enabled || c.BlockOnOverflow {
		return 0
	}
	return c.QueueSize
}
