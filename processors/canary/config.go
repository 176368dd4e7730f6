package canary

import (
	"fmt"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets.
type Config struct {
	// MissingAfter is how long a record may be away, after a later one has come, until it counts as missing.
	MissingAfter time.Duration `mapstructure:"missing_after"`
}

// Default waits five minutes: a queue that is sent out of order may take some time.
func Default() *Config { return &Config{MissingAfter: 5 * time.Minute} }

// Validate reports every fault, with its key.
func (c *Config) Validate() error {
	if c.MissingAfter <= 0 {
		return fmt.Errorf(`"missing_after" is %s; write a positive duration such as 5m`, c.MissingAfter)
	}
	return nil
}

// Component describes the processor to the engine.
func Component() pipeline.Component {
	return pipeline.Processor("canary", Default, New, pipeline.Signals[:]...).
		WithDoc("measures which records of canary receivers are missing or came twice, and how long they took; changes nothing")
}
