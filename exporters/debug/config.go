package debug

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's debug exporter.
type Config struct {
	// Verbosity is basic (one line per request), normal (about one line per record) or detailed (everything).
	Verbosity string `mapstructure:"verbosity"`
	// SamplingInitial is how many requests per signal and second are shown.
	SamplingInitial int `mapstructure:"sampling_initial"`
	// SamplingThereafter shows every nth request after these; 1 shows all, 0 none.
	SamplingThereafter int `mapstructure:"sampling_thereafter"`
	// UseInternalLogger writes to stderr, like the log, instead of stdout.
	UseInternalLogger bool `mapstructure:"use_internal_logger"`
}

const (
	basic    = "basic"
	normal   = "normal"
	detailed = "detailed"
)

// Default returns the Collector's defaults.
func Default() *Config {
	return &Config{Verbosity: basic, SamplingInitial: 2, SamplingThereafter: 1, UseInternalLogger: true}
}

// Validate reports every fault with its key.
func (c *Config) Validate() error {
	var errs []error
	switch c.Verbosity = strings.ToLower(c.Verbosity); c.Verbosity {
	case basic, normal, detailed:
	default:
		errs = append(errs, fmt.Errorf(`"verbosity" is %q; write basic, normal or detailed`, c.Verbosity))
	}
	if c.SamplingInitial < 0 {
		errs = append(errs, fmt.Errorf(`"sampling_initial" is %d; write 0 or more`, c.SamplingInitial))
	}
	if c.SamplingThereafter < 0 {
		errs = append(errs, fmt.Errorf(`"sampling_thereafter" is %d; write 0 or more`, c.SamplingThereafter))
	}
	return errors.Join(errs...)
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("debug", Default, New, pipeline.Signals[:]...).
		WithAliases("logging").
		WithDoc("shows what arrives, on the terminal").
		WithUnsupported(map[string]string{
			"loglevel":      "write verbosity: basic, normal or detailed",
			"sending_queue": "requests are shown before they are answered; remove the key",
			"output_paths":  "write use_internal_logger: false for stdout, and redirect it",
		})
}
