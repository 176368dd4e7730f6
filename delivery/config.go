package delivery

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"

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
	// Batch gathers small batches into one record, in front of the disk. With storage only.
	Batch configoptional.Optional[BatchConfig] `mapstructure:"batch"`
	// Recovery is what goes first after an outage: oldest_first or fresh_first. With storage only.
	Recovery string `mapstructure:"recovery"`
	// Directory is where the queue is, for exporters whose configuration names a folder and no storage.
	Directory string `mapstructure:"-"`
	// DeadLettersMiB is how much is kept of what was rejected in the end.
	DeadLettersMiB int `mapstructure:"dead_letters_mib"`
}

// StorageKey implements pipeline.StorageUser.
func (c *Config) StorageKey() (key, name string) { return "sending_queue::storage", c.Queue.Storage }

// The orders of recovery.
const (
	OldestFirst = "oldest_first"
	FreshFirst  = "fresh_first" // live data goes first, and the backlog has a share
)

// BatchConfig is sending_queue::batch, with the Collector's keys.
type BatchConfig struct {
	// FlushTimeout is how long the first batch of a record waits for others.
	FlushTimeout time.Duration `mapstructure:"flush_timeout"`
	// MinSize is when a record is written before FlushTimeout.
	MinSize int `mapstructure:"min_size"`
	// MaxSize is the largest record; larger batches are cut. 0 means no limit.
	MaxSize int `mapstructure:"max_size"`
	// Sizer is the unit of both: items, or bytes of OTLP. Without it that of the queue, or items where that is requests.
	Sizer string `mapstructure:"sizer"`
}

// DefaultQueueConfig returns the defaults of sending_queue.
func DefaultQueueConfig() QueueConfig {
	return QueueConfig{
		Enabled: true, NumConsumers: 10, QueueSize: 1000, Sizer: "requests", OnFull: string(queue.Refuse), DeadLettersMiB: 64, Recovery: OldestFirst,
		Batch: configoptional.Default(BatchConfig{FlushTimeout: 200 * time.Millisecond, MinSize: 8192}),
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
	} else {
		if c.Batch.HasValue() {
			errs = append(errs, errors.New(`"sending_queue::batch" gathers in front of a queue on disk, and this queue is in memory; set "sending_queue::storage", or remove the key and put the processor batch into the pipeline`))
		}
		if c.Recovery == FreshFirst {
			errs = append(errs, errors.New(`"sending_queue::recovery": fresh_first is for a queue on disk, and this queue is in memory; set "sending_queue::storage", or remove the key`))
		}
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
	if c.Recovery != OldestFirst && c.Recovery != FreshFirst {
		errs = append(errs, fmt.Errorf(`"sending_queue::recovery" is %q; write oldest_first or fresh_first`, c.Recovery))
	}
	if c.Batch.HasValue() {
		errs = append(errs, c.Batch.Get().faults(c)...)
	}
	return errs
}

func (b *BatchConfig) sizer(queue string) string {
	switch {
	case b.Sizer != "":
		return b.Sizer
	case queue != "requests":
		return queue
	}
	return "items"
}

// maxFlush is well below the time after which receivers refuse what is not answered (8 s by default).
const maxFlush = 5 * time.Second

func (b *BatchConfig) faults(c *QueueConfig) (errs []error) {
	sizer := b.sizer(c.Sizer)
	if b.FlushTimeout <= 0 {
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::flush_timeout" is %s; write a duration over 0, like 200ms`, b.FlushTimeout))
	}
	if b.FlushTimeout > maxFlush {
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::flush_timeout" is %s; callers wait for it and send again when it takes too long: write at most %s`, b.FlushTimeout, maxFlush))
	}
	switch {
	case b.MinSize < 0:
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::min_size" is %d; write 0 or more`, b.MinSize))
	case sizer == "bytes" && b.MinSize > maxRecord:
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::min_size" is %d bytes; a record gathers at most %d, write no more`, b.MinSize, maxRecord))
	case sizer == c.Sizer && b.MinSize > c.QueueSize:
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::min_size" is %d; write at most queue_size, %d`, b.MinSize, c.QueueSize))
	}
	if b.MaxSize < 0 || b.MaxSize > 0 && b.MaxSize < b.MinSize {
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::max_size" is %d; write at least min_size, %d, or 0 for no limit`, b.MaxSize, b.MinSize))
	}
	if b.Sizer != "" && b.Sizer != "items" && b.Sizer != "bytes" {
		errs = append(errs, fmt.Errorf(`"sending_queue::batch::sizer" is %q; write items or bytes`, b.Sizer))
	}
	return errs
}

// NeedsOrder is the fault of fresh_first for a destination that takes samples and lines in their order only.
func (c *QueueConfig) NeedsOrder(outOfOrder bool, advice string) error {
	if c.Recovery != FreshFirst || outOfOrder {
		return nil
	}
	return fmt.Errorf(`"sending_queue::recovery" is fresh_first, and the destination may reject what is older than what it has; %s and then set "out_of_order: true", or remove the key`, advice)
}

// batching is the gathering in front of the disk.
func (c *QueueConfig) batching() queue.Batching {
	b := c.Batch.Get()
	if b == nil {
		return queue.Batching{}
	}
	return queue.Batching{Timeout: b.FlushTimeout, Min: b.MinSize, Max: b.MaxSize, Bytes: b.sizer(c.Sizer) == "bytes"}
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
