package forward

import "github.com/sluiceio/sluice/pipeline"

// Config has no keys, as in the Collector.
type Config struct{}

// Default is the empty configuration.
func Default() *Config { return &Config{} }

// Component describes the connector.
func Component() pipeline.Component {
	return pipeline.Connector("forward", Default, New, pipeline.SameSignal()...).
		WithDoc("gives what pipelines export to it to the pipelines that receive from it")
}
