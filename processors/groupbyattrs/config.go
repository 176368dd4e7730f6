package groupbyattrs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's groupbyattrs processor.
type Config struct {
	// Keys are the attributes of records that become attributes of their resource. Without keys, records of equal resources
	// are only brought together.
	Keys []string `mapstructure:"keys"`
}

// Default has no keys.
func Default() *Config { return &Config{} }

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	for i, k := range c.Keys {
		switch {
		case k == "":
			errs = append(errs, fmt.Errorf(`"keys[%d]" is empty; write the attribute's name`, i))
		case slices.Contains(c.Keys[:i], k):
			errs = append(errs, fmt.Errorf(`"keys[%d]": %q is listed twice`, i, k))
		}
	}
	return errors.Join(errs...)
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("groupbyattrs", Default, New, pipeline.Signals[:]...).
		WithDoc("moves attributes of records to their resource, and brings records of equal resources together")
}
