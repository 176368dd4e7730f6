package delivery

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/delivery/queue"
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
		"auth":                 `extensions are not hosted; write "bearer_token_file" or "basic_auth", or "headers"`,
		"middlewares":          "extensions are not hosted; remove the key",
		"sending_queue::batch": "put the processor batch into the pipeline instead",
	}
	maps.Copy(keys, more)
	return keys
}

// QueueConfig is sending_queue, with the Collector's keys. It queues callers, not data: nil always means that the
// destination confirmed.
type QueueConfig struct {
	// Enabled says whether queue_size applies; otherwise callers wait until their deadline.
	Enabled bool `mapstructure:"enabled"`
	// NumConsumers is the number of concurrent requests, unless max_in_flight is set.
	NumConsumers int `mapstructure:"num_consumers"`
	// QueueSize limits what may wait, counted by sizer. More is refused as overload.
	QueueSize int `mapstructure:"queue_size"`
	// Sizer is the unit of queue_size: requests, items or bytes.
	Sizer string `mapstructure:"sizer"`
	// BlockOnOverflow makes callers wait instead of being refused over queue_size.
	BlockOnOverflow bool `mapstructure:"block_on_overflow"`
	// WaitForResult changes nothing without storage: the result is always awaited.
	WaitForResult bool `mapstructure:"wait_for_result"`
	// Storage names a file_storage extension: the queue is on disk, and nil means that a batch is stored.
	Storage string `mapstructure:"storage"`
	// OnFull is what a full queue on disk does: refuse, drop_oldest or drop_newest.
	OnFull string `mapstructure:"on_full"`
	// MaxAge is for how long a batch may be stored; older ones are dropped as queue_age. 0 means no limit.
	MaxAge time.Duration `mapstructure:"max_age"`
	// Directory is where the queue is, for exporters whose configuration names a folder and no storage.
	Directory string `mapstructure:"-"`
	// DeadLettersMiB is how much is kept of what was rejected in the end.
	DeadLettersMiB int `mapstructure:"dead_letters_mib"`
}

// StorageKey implements pipeline.StorageUser.
func (c *Config) StorageKey() (key, name string) { return "sending_queue::storage", c.Queue.Storage }

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

// DefaultQueueConfig returns the defaults of sending_queue.
func DefaultQueueConfig() QueueConfig {
	return QueueConfig{Enabled: true, NumConsumers: 10, QueueSize: 1000, Sizer: "requests", OnFull: string(queue.Refuse), DeadLettersMiB: 64}
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
func (c *QueueConfig) Validate() error {
	var errs []error
	if c.NumConsumers < 1 {
		errs = append(errs, fmt.Errorf(`"sending_queue::num_consumers" is %d; write at least 1`, c.NumConsumers))
	}
	if c.Enabled && c.QueueSize < 1 {
		errs = append(errs, fmt.Errorf(`"sending_queue::queue_size" is %d; write at least 1, or enabled: false`, c.QueueSize))
	}
	if c.OnDisk() {
		errs = append(errs, c.validateStorage()...)
	}
	switch c.Sizer {
	case "requests", "items", "bytes":
	default:
		errs = append(errs, fmt.Errorf(`"sending_queue::sizer" is %q; write requests, items or bytes`, c.Sizer))
	}
	return errors.Join(errs...)
}

// OnDisk says whether the queue is on disk.
func (c *QueueConfig) OnDisk() bool { return c.Storage != "" || c.Directory != "" }

func (c *QueueConfig) validateStorage() (errs []error) {
	if !c.Enabled {
		errs = append(errs, errors.New(`"sending_queue::storage" is set and "sending_queue::enabled" is false; remove one`))
	}
	if c.WaitForResult {
		errs = append(errs, errors.New(`"sending_queue::wait_for_result" cannot be true with "sending_queue::storage": a batch is answered when it is stored; remove one`))
	}
	switch queue.OnFull(c.OnFull) {
	case queue.Refuse, queue.DropOldest, queue.DropNewest:
		if c.BlockOnOverflow && c.OnFull != string(queue.Refuse) {
			errs = append(errs, fmt.Errorf(`"sending_queue::block_on_overflow" and "sending_queue::on_full": %s contradict each other; remove one`, c.OnFull))
		}
	default:
		errs = append(errs, fmt.Errorf(`"sending_queue::on_full" is %q; write refuse, drop_oldest or drop_newest`, c.OnFull))
	}
	if c.MaxAge < 0 {
		errs = append(errs, fmt.Errorf(`"sending_queue::max_age" is %s; write 0 or more`, c.MaxAge))
	}
	if c.DeadLettersMiB < 0 {
		errs = append(errs, fmt.Errorf(`"sending_queue::dead_letters_mib" is %d; write 0 for none, or more`, c.DeadLettersMiB))
	}
	return errs
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

func (c *QueueConfig) weight(items, bytes int) int {
	switch c.Sizer {
	case "items":
		return items
	case "bytes":
		return bytes
	}
	return 1
}

// limit is the maximum weight of the waiting callers; 0 means no limit.
func (c *QueueConfig) limit() int {
	if !c.Enabled || c.BlockOnOverflow {
		return 0
	}
	return c.QueueSize
}
