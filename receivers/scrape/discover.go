package scrape

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// manager makes Prometheus' discovery manager, or none: jobs whose targets are all written in the file need none, which
// would look for news ten times a second.
func (r *Receiver) manager() (*discovery.Manager, error) {
	configs := map[string]discovery.Configs{}
	for name, j := range r.jobs {
		for _, c := range j.cfg.ServiceDiscoveryConfigs {
			if _, static := c.(discovery.StaticConfig); !static {
				configs[name] = j.cfg.ServiceDiscoveryConfigs
			}
		}
	}
	if len(configs) == 0 {
		return nil, nil
	}
	// The metrics of discovery are Prometheus' own, without the component's name: they stay in a registry that
	// nobody reads, because two receivers would clash in the common one.
	reg := prometheus.NewRegistry()
	sd, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		return nil, fmt.Errorf("cannot start service discovery: %w", err)
	}
	m := discovery.NewManager(r.ctx, throttledLog(r.settings.Log), reg, sd, discovery.Name("scrape"), discovery.Updatert(r.gather))
	if m == nil {
		return nil, errors.New("cannot start service discovery: see the log")
	}
	if err := m.ApplyConfig(configs); err != nil {
		return nil, fmt.Errorf("cannot start service discovery: %w", err)
	}
	return m, nil
}

// discover scrapes the targets that are written in the file at once, because the manager collects for a while (gather)
// before it tells anything, and then follows what it finds.
func (r *Receiver) discover(m *discovery.Manager) {
	for _, j := range r.jobs {
		var static []*targetgroup.Group
		for _, c := range j.cfg.ServiceDiscoveryConfigs {
			if s, ok := c.(discovery.StaticConfig); ok {
				static = append(static, s...)
			}
		}
		if len(static) > 0 {
			j.sync(static)
		}
	}
	if m == nil {
		return
	}
	r.loops.Go(func() { _ = m.Run() }) // its error is the end of ctx
	r.loops.Go(func() {
		for {
			select {
			case <-r.ctx.Done():
				return
			case groups := <-m.SyncCh():
				for name, g := range groups {
					if j := r.jobs[name]; j != nil {
						j.sync(g)
					}
				}
			}
		}
	})
}
