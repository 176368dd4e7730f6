// Package forward is the forward connector: it joins pipelines of one signal.
package forward

import (
	"errors"

	"github.com/sluiceio/sluice/pipeline"
)

// New returns the output itself: the engine's fan-out does the rest.
func New(s pipeline.Settings, _ *Config, out pipeline.Outputs) (pipeline.Sink, error) {
	next := out.For(s.Signal)
	if next == nil {
		return nil, errors.New("no pipeline of " + s.Signal.String() + " receives from it; list it under the receivers of one")
	}
	return next, nil
}
