package kubesd

import (
	"context"
	"log/slog"
	"sync"

	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// discoverer makes the groups of an entry.
type discoverer struct {
	config  *Config
	watches []*watches // one for each namespace
	log     *slog.Logger
}

// Run implements discovery.Discoverer.
func (d *discoverer) Run(ctx context.Context, out chan<- []*targetgroup.Group) {
	var running sync.WaitGroup
	for _, w := range d.watches {
		b := newBuilder(d.config, w, d.log)
		running.Go(func() { b.run(ctx, out) })
	}
	running.Wait()
}
