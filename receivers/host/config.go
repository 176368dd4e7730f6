package host

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets.
type Config struct {
	// CollectionInterval is how often the machine is read.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`
	// Collectors are the node exporter's collectors to run; empty means the default list.
	Collectors []string `mapstructure:"collectors"`
	// Exclude takes collectors out of the list.
	Exclude []string `mapstructure:"exclude"`
	// Instance is the instance label; empty means the machine's host name.
	Instance string `mapstructure:"instance"`
	// Procfs, Sysfs and Rootfs are where the machine's file systems are mounted, for a container that reads its host.
	Procfs string `mapstructure:"procfs"`
	Sysfs  string `mapstructure:"sysfs"`
	Rootfs string `mapstructure:"rootfs"`
	// BacklogBytes bounds what waits for a destination that is away; the oldest is dropped as backlog_full.
	BacklogBytes int `mapstructure:"backlog_bytes"`
}

// defaultCollectors are the node exporter's own defaults for Linux, without those that need rights or hardware that
// ordinary nodes lack and then complain at every reading (rapl, fibrechannel, infiniband, ...), and without textfile,
// which needs a folder.
var defaultCollectors = []string{
	"arp", "bonding", "conntrack", "cpu", "cpufreq", "diskstats", "edac", "entropy", "filefd", "filesystem", "hwmon",
	"loadavg", "mdadm", "meminfo", "netclass", "netdev", "netstat", "nvme", "os", "powersupplyclass", "pressure",
	"schedstat", "sockstat", "softnet", "stat", "thermal_zone", "time", "timex", "udp_queues", "uname", "vmstat",
	"watchdog", "xfs", "zfs",
}

const (
	defaultInterval = 15 * time.Second
	leastInterval   = 100 * time.Millisecond
	defaultBacklog  = 32 << 20
)

// Default reads the machine the process runs on.
func Default() *Config {
	return &Config{CollectionInterval: defaultInterval, Procfs: "/proc", Sysfs: "/sys", Rootfs: "/", BacklogBytes: defaultBacklog}
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if c.CollectionInterval < leastInterval {
		errs = append(errs, fmt.Errorf(`"collection_interval" is %s; write at least %s, such as 15s`, c.CollectionInterval, leastInterval))
	}
	if c.BacklogBytes < 1<<16 {
		errs = append(errs, fmt.Errorf(`"backlog_bytes" is %d; write at least 65536`, c.BacklogBytes))
	}
	for key, path := range map[string]string{"procfs": c.Procfs, "sysfs": c.Sysfs, "rootfs": c.Rootfs} {
		if path == "" {
			errs = append(errs, fmt.Errorf(`%q is empty; write where it is mounted`, key))
		}
	}
	for key, names := range map[string][]string{"collectors": c.Collectors, "exclude": c.Exclude} {
		for _, name := range names {
			if !isCollector(name) {
				errs = append(errs, fmt.Errorf(`%q names %q, which the node exporter does not have; see its README for the names`, key, name))
			}
		}
	}
	if len(c.enabled()) == 0 {
		errs = append(errs, errors.New(`"exclude" leaves no collector; name one in "collectors"`))
	}
	return errors.Join(errs...)
}

const notSupported = "the receiver host is not supported on this system (" + runtime.GOOS + "); it reads nothing, take it out"

// Warnings says that there will be nothing where the receiver cannot work. It is no fault, so that one file serves a fleet.
func (c *Config) Warnings() []string {
	if supported {
		return nil
	}
	return []string{notSupported}
}

// enabled is the list of collectors that run.
func (c *Config) enabled() []string {
	names := c.Collectors
	if len(names) == 0 {
		names = defaultCollectors
	}
	var out []string
	for _, n := range names {
		if !slices.Contains(c.Exclude, n) {
			out = append(out, n)
		}
	}
	return out
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	return pipeline.Receiver("host", Default, New, pipeline.Metrics).
		WithDoc("reads this machine with the node exporter's collectors: node_* metrics")
}
