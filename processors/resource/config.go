package resource

import (
	"errors"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/ottl/actions"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's resource processor.
type Config struct {
	// Attributes are applied in order, each to the result of the one before.
	Attributes []Action `mapstructure:"attributes"`
}

// Action changes one resource attribute.
type Action = actions.Action

// Default has no actions, which Validate refuses.
func Default() *Config { return &Config{} }

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	if len(c.Attributes) == 0 {
		return errors.New(`"attributes" is empty; list at least one {key, action}`)
	}
	_, err := c.program(pipeline.Logs)
	return err
}

func (c *Config) program(s pipeline.Signal) (*ottl.Program, error) {
	program, errs := actions.Compile(s, "resource", "", "attributes", c.Attributes)
	return program, errors.Join(errs...)
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() []string {
	program, err := c.program(pipeline.Logs)
	if err != nil {
		return nil
	}
	return program.MetadataKeys()
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("resource", Default, New, pipeline.Signals[:]...).
		WithDoc("inserts, changes, removes, hashes and extracts resource attributes, once per resource and not per record")
}
