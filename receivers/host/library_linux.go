package host

import (
	"errors"
	"fmt"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

const supported = true

// isCollector reports whether the node exporter has a collector of that name.
func isCollector(name string) bool {
	return kingpin.CommandLine.GetFlag("collector."+name) != nil
}

// library guards the node exporter's package-level flags. They are parsed with each receiver's paths; the library
// keeps the collectors it has made, so that paths cannot change while the process lives.
var library struct {
	sync.Mutex
	paths [3]string
}

// open makes the node exporter's collectors ready for this configuration.
func (r *Receiver) open() error {
	library.Lock()
	defer library.Unlock()
	paths := [3]string{r.cfg.Procfs, r.cfg.Sysfs, r.cfg.Rootfs}
	if library.paths != ([3]string{}) && library.paths != paths {
		return errors.New(`"procfs", "sysfs" and "rootfs" cannot change while the process runs; restart it`)
	}
	args := []string{"--path.procfs=" + paths[0], "--path.sysfs=" + paths[1], "--path.rootfs=" + paths[2]}
	names := r.cfg.enabled()
	for _, name := range names {
		args = append(args, "--collector."+name)
	}
	if _, err := kingpin.CommandLine.Parse(args); err != nil {
		return fmt.Errorf("cannot set up the node exporter: %w", err)
	}
	collector.DisableDefaultCollectors()
	nodes, err := collector.NewNodeCollector(quiet(r.settings.Log), names...)
	if err != nil {
		return fmt.Errorf("cannot set up the node exporter: %w", err)
	}
	library.paths = paths
	r.registry = prometheus.NewRegistry()
	return r.registry.Register(r.newSet(nodes.Collectors))
}
