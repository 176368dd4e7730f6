package batch

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets. The first three keys are those of the Collector's batch processor.
type Config struct {
	// Timeout is how long records wait at most for those of other clients.
	Timeout time.Duration `mapstructure:"timeout"`
	// SendBatchSize is the number of items at which a batch goes out without waiting longer; 0 means only Timeout
	// and MaxBytes decide.
	SendBatchSize int `mapstructure:"send_batch_size"`
	// SendBatchMaxSize is the number of items that no request exceeds; larger ones are split. 0 means no limit.
	SendBatchMaxSize int `mapstructure:"send_batch_max_size"`
	// MaxInFlight is how many requests may be out before callers are merged although nobody else is expected.
	MaxInFlight int `mapstructure:"max_in_flight"`
	// MaxBytes is the size of OTLP that merging does not exceed. The default is below the 4 MiB that a gRPC
	// server takes unless told otherwise. A single larger request passes as it is.
	MaxBytes int `mapstructure:"max_bytes"`
}

// Default is the Collector's, with eight requests at once.
func Default() *Config {
	return &Config{Timeout: 200 * time.Millisecond, SendBatchSize: 8192, MaxInFlight: 8, MaxBytes: 3 << 20}
}

// Validate names every fault by its key.
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

// Component describes the processor to the engine.
func Component() pipeline.Component {
	return pipeline.Processor("batch", Default, New, pipeline.Signals[:]...).
		WithDoc("merges requests of many clients; nothing is acknowledged early, and a lone client never waits").
		WithUnsupported(map[string]string{
			"metadata_keys":              "not supported; remove the key",
			"metadata_cardinality_limit": "remove the key; it belongs to metadata_keys",
		})
}
