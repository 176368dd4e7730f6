package attributes

import (
	"errors"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/ottl/actions"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's attributes processor.
type Config struct {
	// Actions are applied in order, each to the result of the one before.
	Actions []Action `mapstructure:"actions"`
	// Include and Exclude choose records: those that Include matches, without those that Exclude matches.
	Include *Match `mapstructure:"include"`
	Exclude *Match `mapstructure:"exclude"`
}

// Action changes one attribute.
type Action = actions.Action

// Default has no actions, which Validate refuses.
func Default() *Config { return &Config{} }

var contexts = map[pipeline.Signal]string{pipeline.Logs: "log", pipeline.Traces: "span", pipeline.Metrics: "datapoint"}

// program translates the actions into statements.
func (c *Config) program(s pipeline.Signal) (*ottl.Program, error) {
	condition, errs := c.condition(s)
	if len(errs) > 0 {
		return nil, errors.Join(append(actions.Faults("actions", c.Actions), errs...)...)
	}
	program, errs := actions.Compile(s, contexts[s], condition, "actions", c.Actions)
	return program, errors.Join(errs...)
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	if len(c.Actions) == 0 {
		return errors.New(`"actions" is empty; list at least one {key, action}`)
	}
	errs := actions.Faults("actions", c.Actions)
	for _, s := range pipeline.Signals {
		if _, faults := c.condition(s); len(faults) > 0 {
			return errors.Join(append(errs, faults...)...)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	_, err := c.program(pipeline.Logs)
	return err
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("attributes", Default, New, pipeline.Signals[:]...).
		WithDoc("inserts, changes, removes, hashes and extracts attributes of records, on the encoded bytes")
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() []string {
	program, err := c.program(pipeline.Logs)
	if err != nil {
		return nil
	}
	return program.MetadataKeys()
}
