// Package nop is the receiver nop: it receives nothing.
package nop

import "github.com/sluiceio/sluice/pipeline"

// Receiver is the component.
type Receiver struct{}

// New makes the receiver.
func New(_ pipeline.Settings, _ *Config, _ pipeline.Outputs) (any, error) { return &Receiver{}, nil }
