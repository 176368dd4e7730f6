package batch

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the Collector's first three keys, and our own.
type Config struct {
	// Timeout is the longest wait for other clients.
	Timeout time.Duration `mapstructure:"timeout"`
	// SendBatchSize is the number of items at which a batch is sent; 0 means only Timeout and MaxBytes decide.
	SendBatchSize int `mapstructure:"send_batch_size"`
	// SendBatchMaxSize is the maximum items of a request; larger ones are split. 0 means no limit.
	SendBatchMaxSize int `mapstructure:"send_batch_max_size"`
	// MaxInFlight is how many requests may be out before callers are merged even though nobody else is expected.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxBytes limits the OTLP size of a merged request. The default is below gRPC's default limit of 4 MiB. A
	// single larger request passes.
	MaxBytes int `mapstructure:"max_bytes"`
}

// Default is the Collector's, with eight requests in flight.
func Default() *Config {
	return &Config{Timeout: 200 * time.Millisecond, SendBatchSize: 8192, MaxInFlight: 8, MaxBytes: 3 << 20}
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
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

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("batch", Default, New, pipeline.Signals[:]...).
		WithDoc("merges requests of many clients; nothing is acknowledged early, and a lone client never waits").
		WithUnsupported(map[string]string{
			"metadata_keys":              "not supported; remove the key",
			"metadata_cardinality_limit": "remove the key; it belongs to metadata_keys",
		})
}
