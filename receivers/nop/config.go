package nop

import "github.com/sluiceio/sluice/pipeline"

// Config has no keys, as in the Collector.
type Config struct{}

// Default returns the empty configuration.
func Default() *Config { return &Config{} }

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("nop", Default, New, pipeline.Signals[:]...).
		WithDoc("receives nothing")
}
