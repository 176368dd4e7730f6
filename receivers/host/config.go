package host

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets.
type Config struct {
	// CollectionInterval is the time between two readings.
	CollectionInterval time.Duration `mapstructure:"collection_interval"`
	// Collectors are the node exporter's collectors to run; empty: the default list.
	Collectors []string `mapstructure:"collectors"`
	// Exclude removes collectors from the list.
	Exclude []string `mapstructure:"exclude"`
	// Instance is the instance label; empty: the host name.
	Instance string `mapstructure:"instance"`
	// TextfileDirectories are read by the collector textfile (*.prom; glob patterns are allowed). Setting it adds the
	// collector.
	TextfileDirectories []string `mapstructure:"textfile_directories"`
	// ExcludeNetworkDevices, ExcludeDisks, ExcludeMountPoints and ExcludeFSTypes are regular expressions. Empty: report all.
	ExcludeNetworkDevices string `mapstructure:"exclude_network_devices"`
	ExcludeDisks          string `mapstructure:"exclude_disks"`
	ExcludeMountPoints    string `mapstructure:"exclude_mount_points"`
	ExcludeFSTypes        string `mapstructure:"exclude_fs_types"`
	// Procfs, Sysfs and Rootfs are the machine's mount points, for use in a container.
	Procfs string `mapstructure:"procfs"`
	Sysfs  string `mapstructure:"sysfs"`
	Rootfs string `mapstructure:"rootfs"`
	// BacklogBytes limits what waits for delivery; the oldest is dropped as backlog_full.
	BacklogBytes int `mapstructure:"backlog_bytes"`
}

// defaultCollectors are the node exporter's Linux defaults, without textfile, which needs a folder, and those that fail at
// every reading on ordinary nodes (rapl, fibrechannel, infiniband, ...).
var defaultCollectors = []string{
	"arp", "bonding", "conntrack", "cpu", "cpufreq", "diskstats", "edac", "entropy", "filefd", "filesystem", "hwmon",
	"loadavg", "mdadm", "meminfo", "netclass", "netdev", "netstat", "nvme", "os", "powersupplyclass", "pressure",
	"schedstat", "sockstat", "softnet", "stat", "thermal_zone", "time", "timex", "udp_queues", "uname", "vmstat",
	"watchdog", "xfs", "zfs",
}

const textfile = "textfile"

const (
	defaultInterval = 15 * time.Second
	leastInterval   = 100 * time.Millisecond
	defaultBacklog  = 32 << 20
)

// The defaults of the node exporter's Helm chart for Kubernetes, plus Calico and Cilium devices: a node with containers has
// hundreds of these.
const (
	containerDevices     = `^(veth.*|[a-f0-9]{15}|cali[a-f0-9]+|lxc[a-f0-9]+)$`
	disksWithoutHardware = `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`
	containerMounts      = `^/(dev|proc|sys|run/containerd/.+|run/k3s/containerd/.+|var/lib/docker/.+|var/lib/containers/storage/.+|var/lib/kubelet/.+)($|/)`
	virtualFSTypes       = `^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|erofs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$`
)

// Default reads the machine that the process runs on.
func Default() *Config {
	return &Config{
		CollectionInterval: defaultInterval, Procfs: "/proc", Sysfs: "/sys", Rootfs: "/", BacklogBytes: defaultBacklog,
		ExcludeNetworkDevices: containerDevices, ExcludeDisks: disksWithoutHardware,
		ExcludeMountPoints: containerMounts, ExcludeFSTypes: virtualFSTypes,
	}
}

// Validate reports every fault with its key.
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
	for key, expr := range map[string]string{
		"exclude_network_devices": c.ExcludeNetworkDevices, "exclude_disks": c.ExcludeDisks,
		"exclude_mount_points": c.ExcludeMountPoints, "exclude_fs_types": c.ExcludeFSTypes,
	} {
		if _, err := regexp.Compile(expr); err != nil {
			errs = append(errs, fmt.Errorf(`%q is no regular expression: %w`, key, err))
		}
	}
	if len(c.TextfileDirectories) == 0 && slices.Contains(c.Collectors, textfile) {
		errs = append(errs, errors.New(`"collectors" names "textfile", which has nothing to read; set "textfile_directories"`))
	}
	if slices.Contains(c.TextfileDirectories, "") {
		errs = append(errs, errors.New(`"textfile_directories" has an empty entry; write a folder, such as /var/lib/node_exporter`))
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

// Warnings reports an unsupported system. It is no fault, so that one file can serve a fleet.
func (c *Config) Warnings() []string {
	if supported {
		return nil
	}
	return []string{notSupported}
}

func (c *Config) enabled() []string {
	names := c.Collectors
	if len(names) == 0 {
		names = defaultCollectors
	}
	if len(c.TextfileDirectories) > 0 && !slices.Contains(names, textfile) {
		names = append(slices.Clone(names), textfile)
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
