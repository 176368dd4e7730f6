package scrape

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
)

// discover starts Prometheus' discovery manager and follows what it finds. Targets that are written in the file
// itself are scraped at once: the manager collects for a while (gather) before it tells anything. Jobs that have no
// others need no manager, which looks for news ten times a second.
func (r *Receiver) discover() error {
	configs := map[string]discovery.Configs{}
	for name, j := range r.jobs {
		var static []*targetgroup.Group
		for _, c := range j.cfg.ServiceDiscoveryConfigs {
			if s, ok := c.(discovery.StaticConfig); ok {
				static = append(static, s...)
			} else {
				configs[name] = j.cfg.ServiceDiscoveryConfigs
			}
		}
		if len(static) > 0 {
			j.sync(static)
		}
	}
	if len(configs) == 0 {
		return nil
	}
	// The metrics of discovery are Prometheus' own, without the component's name: they stay in a registry that
	// nobody reads, because two receivers would clash in the common one.
	reg := prometheus.NewRegistry()
	sd, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		return fmt.Errorf("cannot start service discovery: %w", err)
	}
	m := discovery.NewManager(r.ctx, seldomLog(r.settings.Log), reg, sd, discovery.Name("scrape"), discovery.Updatert(r.gather))
	if m == nil {
		return errors.New("cannot start service discovery: see the log")
	}
	if err := m.ApplyConfig(configs); err != nil {
		return fmt.Errorf("cannot start service discovery: %w", err)
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
	return nil
}
