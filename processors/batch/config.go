package batch

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the Collector's keys, and our own.
type Config struct {
	// Timeout is the longest wait for other clients.
	Timeout time.Duration `mapstructure:"timeout"`
	// SendBatchSize is the number of items at which a batch is sent; 0 means only Timeout and MaxBytes decide.
	SendBatchSize int `mapstructure:"send_batch_size"`
	// SendBatchMaxSize is the maximum items of a request; larger ones are split. 0 means no limit.
	SendBatchMaxSize int `mapstructure:"send_batch_max_size"`
	// MetadataKeys are headers of requests: what came with different values is not merged. What other components ask for is
	// kept apart, too.
	MetadataKeys []string `mapstructure:"metadata_keys"`
	// MetadataCardinalityLimit bounds how many different values are merged, each among its own; what comes with further
	// ones passes alone. 0 means no limit.
	MetadataCardinalityLimit int `mapstructure:"metadata_cardinality_limit"`
	// MaxInFlight is how many requests may be out before callers are merged even though nobody else is expected.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxBytes limits the OTLP size of a merged request. The default is below gRPC's default limit of 4 MiB. A
	// single larger request passes.
	MaxBytes int `mapstructure:"max_bytes"`
}

// Default is the Collector's, with eight requests in flight.
func Default() *Config {
	return &Config{Timeout: 200 * time.Millisecond, SendBatchSize: 8192, MaxInFlight: 8, MaxBytes: 3 << 20, MetadataCardinalityLimit: 1000}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	seen := map[string]bool{}
	for _, key := range c.MetadataKeys {
		if key = strings.ToLower(key); seen[key] {
			errs = append(errs, fmt.Errorf(`"metadata_keys" names %q twice; take one out`, key))
		}
		seen[key] = true
	}
	if c.MetadataCardinalityLimit < 0 {
		errs = append(errs, fmt.Errorf(`"metadata_cardinality_limit" is %d; write 0 or a positive number`, c.MetadataCardinalityLimit))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf(`"timeout" is %s; write 0 or a positive duration such as 200ms`, c.Timeout))
	}
	if c.SendBatchSize < 0 {
		errs = append(errs, fmt.Errorf(`"send_batch_size" is %d; write 0 or a positive number of items`, c.SendBatchSize))
	}
	if c.SendBatchMaxSize < 0 || (c.SendBatchMaxSize > 0 && c.SendBatchMaxSize < c.SendBatchSize) {
		errs = append(errs, fmt.Errorf(`"send_batch_max_size" is %d; write 0, or at least send_batch_size (%d)`, c.SendBatchMaxSize, c.SendBatchSize))
	}
	if c.MaxInFlight < 1 {
		errs = append(errs, fmt.Errorf(`"max_in_flight" is %d; write at least 1`, c.MaxInFlight))
	}
	if c.MaxBytes < 1024 {
		errs = append(errs, fmt.Errorf(`"max_bytes" is %d; write at least 1024`, c.MaxBytes))
	}
	return errors.Join(errs...)
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() []string { return c.MetadataKeys }

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("batch", Default, New, pipeline.Signals[:]...).
		WithDoc("merges requests of many clients; nothing is acknowledged early, and a lone client never waits")
}
