package nop

import "github.com/sluiceio/sluice/pipeline"

// Config has no keys, as in the Collector.
type Config struct{}

// Default returns the empty configuration.
func Default() *Config { return &Config{} }

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("nop", Default, New, pipeline.Signals[:]...).
		WithDoc("drops what it gets, and counts it as filtered")
}
