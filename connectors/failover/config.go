package failover

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's failover connector.
type Config struct {
	// PriorityLevels are pipelines, the best level first. The pipelines of one level get everything, each.
	PriorityLevels [][]string `mapstructure:"priority_levels"`
	// RetryInterval is how long a level that refused is left alone while another one takes.
	RetryInterval time.Duration `mapstructure:"retry_interval"`

	RetryGap   time.Duration `mapstructure:"retry_gap"`     // accepted: deprecated in the Collector
	MaxRetries int           `mapstructure:"max_retries"`   // accepted: deprecated in the Collector
	Queue      Queue         `mapstructure:"sending_queue"` // of the Collector's connector; there is none here
}

// Queue is the Collector's queue in the connector.
type Queue struct {
	Enabled bool           `mapstructure:"enabled"`
	Rest    map[string]any `mapstructure:",remain"`
}

// Default has no levels, which Validate refuses.
func Default() *Config { return &Config{RetryInterval: 10 * time.Minute} }

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if len(c.PriorityLevels) == 0 {
		errs = append(errs, errors.New(`"priority_levels" is empty; list the pipelines of each level, the best first`))
	}
	var seen []string
	for i, level := range c.PriorityLevels {
		at := fmt.Sprintf("priority_levels[%d]", i)
		if len(level) == 0 {
			errs = append(errs, fmt.Errorf("%q is empty; name at least one pipeline", at))
		}
		for _, name := range level {
			switch _, err := pipeline.ParseID(name); {
			case err != nil:
				errs = append(errs, fmt.Errorf("%q: %w", at, err))
			case slices.Contains(seen, name):
				errs = append(errs, fmt.Errorf("%q: pipeline %s is named twice; take one out", at, name))
			}
			seen = append(seen, name)
		}
	}
	if c.RetryInterval <= 0 {
		errs = append(errs, fmt.Errorf(`"retry_interval" is %s; write a positive duration such as 10m`, c.RetryInterval))
	}
	if c.Queue.Enabled {
		errs = append(errs, errors.New(`"sending_queue": there is no queue here, since it would say yes before a pipeline has; remove the key, or write enabled: false`))
	}
	return errors.Join(errs...)
}

// DecidedBy implements pipeline.AnswerUser: after the last level there is nothing to choose.
func (c *Config) DecidedBy() (names []string) {
	for _, level := range c.PriorityLevels[:max(len(c.PriorityLevels)-1, 0)] {
		names = append(names, level...)
	}
	return names
}

// Component describes the connector.
func Component() pipeline.Component {
	return pipeline.Connector("failover", Default, New, pipeline.SameSignal()...).
		WithDoc("gives batches to the first level of pipelines that does not refuse them").
		WithUnsupported(map[string]string{"condition": "every refusal goes to the next level, and no rejection does; remove the key"})
}
