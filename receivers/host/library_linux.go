package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

const supported = true

func isCollector(name string) bool {
	return kingpin.CommandLine.GetFlag("collector."+name) != nil
}

// library guards the node exporter's package-level flags. They are parsed once: the library caches collectors, so paths and
// filters cannot change.
var library struct {
	sync.Mutex
	args []string
}

// errFixed rejects a reload that changes them.
var errFixed = errors.New("the paths, the textfile directories and the exclude_* keys cannot change while the process runs; restart it")

// open prepares the collectors. One that cannot be made now is retried at each reading.
func (r *Receiver) open() error {
	library.Lock()
	defer library.Unlock()
	args := r.cfg.flags()
	switch {
	case library.args == nil:
		all := slices.Clone(args)
		for _, f := range kingpin.CommandLine.Model().Flags {
			if name, is := strings.CutPrefix(f.Name, "collector."); is && !strings.Contains(name, ".") {
				all = append(all, "--"+f.Name)
			}
		}
		if _, err := kingpin.CommandLine.Parse(all); err != nil {
			return fmt.Errorf("cannot set up the node exporter: %w", err)
		}
		library.args = args
	case !slices.Equal(library.args, args):
		return errFixed
	}
	r.registry = prometheus.NewRegistry()
	return r.registry.Register(r.newSet(r.cfg.enabled()))
}

func (c *Config) flags() []string {
	args := []string{"--path.procfs=" + c.Procfs, "--path.sysfs=" + c.Sysfs, "--path.rootfs=" + c.Rootfs}
	for _, f := range []struct{ flag, expr string }{
		{"netdev.device-exclude", c.ExcludeNetworkDevices},
		{"netclass.ignored-devices", c.ExcludeNetworkDevices},
		{"arp.device-exclude", c.ExcludeNetworkDevices},
		{"ethtool.device-exclude", c.ExcludeNetworkDevices},
		{"qdisc.device-exclude", c.ExcludeNetworkDevices},
		{"diskstats.device-exclude", c.ExcludeDisks},
		{"filesystem.mount-points-exclude", c.ExcludeMountPoints},
		{"filesystem.fs-types-exclude", c.ExcludeFSTypes},
	} {
		if f.expr == "" {
			f.expr = "^$" // an empty one would exclude everything, or use the library's default
		}
		args = append(args, "--collector."+f.flag+"="+f.expr)
	}
	for _, d := range c.TextfileDirectories {
		args = append(args, "--collector.textfile.directory="+d)
	}
	return args
}

// make recovers from panics: the library panics on unexpected machines.
func (m *member) make(s *set) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	nodes, err := collector.NewNodeCollector(s.quiet, m.name)
	if err != nil {
		return err
	}
	m.from = nodes.Collectors[m.name]
	return nil
}
