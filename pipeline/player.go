package pipeline

import (
	"context"
	"errors"
	"time"
)

// A Player makes of given input what its receiver would make of it, for `sluice test`: without file, port or network.
type Player interface {
	Play(ctx context.Context, in Played) error
}

// Played is what a receiver would have read at a time.
type Played struct {
	What string // which of its sources: the path of a file, the name of a job
	Text []byte
	Time time.Time
	Host string // the name of the machine
}

// WithPlayer adds the Player of a receiver.
func WithPlayer[C any, P Player](c Component, build func(Settings, *C, Outputs) (P, error)) Component {
	c.buildPlayer = func(s Settings, config any, out Outputs) (Player, error) { return build(s, config.(*C), out) }
	return c
}

// ErrNoPlayer is the error of NewPlayer for a receiver that has none.
var ErrNoPlayer = errors.New("this receiver reads no text")

// NewPlayer builds the Player of a receiver.
func (c Component) NewPlayer(s Settings, config any, out Outputs) (Player, error) {
	if c.buildPlayer == nil {
		return nil, ErrNoPlayer
	}
	return c.buildPlayer(s, config, out)
}
