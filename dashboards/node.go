package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

// nodeUSE shows utilisation, saturation and errors of a node's resources, with node exporter metrics from the host
// receiver or the exporter itself.
func nodeUSE() board {
	return board{
		file: "node-use.json", uid: "sluice-node-use", title: "Node / USE", tags: []string{"node"},
		about: "Utilisation, saturation and errors of every resource of the chosen nodes, and their logs. " +
			"Read the first row, then the row of whatever is yellow or red there.",
		member: "node_uname_info",
		event:  event{"Reboot", "node_boot_time_seconds{}"},
		rows: []row{
			{"At a glance", nodeGlance()},
			{"CPU", nodeCPU()},
			{"Memory and swap", nodeMemory()},
			{"Pressure", nodePressure()},
			{"Disks", nodeDisks()},
			{"File systems", nodeFilesystems()},
			{"Network", nodeNetwork()},
			{"Kernel limits and clock", nodeLimits()},
			{"Logs", nodeLogs()},
		},
	}
}

// cpuUsed excludes idle, iowait and steal, as do the node mixin and the recording rule.
const cpuUsed = `1 - avg by (job, instance) (sum without (mode) (rate(node_cpu_seconds_total{mode=~"idle|iowait|steal"}[$__rate_interval])))`

const memoryUsed = `1 - node_memory_MemAvailable_bytes{} / node_memory_MemTotal_bytes{}`

// realFilesystems excludes pseudo file systems.
const realFilesystems = `fstype!~"tmpfs|ramfs|squashfs|iso9660|overlay|autofs",mountpoint!=""`

const filesystemUsed = `1 - node_filesystem_avail_bytes{` + realFilesystems + `} / node_filesystem_size_bytes{` + realFilesystems + `}`

// wires excludes loopback and container interfaces, whose traffic other interfaces count too.
const wires = `device!~"lo|veth.+|cali.+|lxc.+|br-.+|docker.+|cni.+"`

func nodeGlance() []panel {
	return []panel{
		{
			kind: stat, title: "Nodes", unit: units.Short,
			about:   "How many nodes of the choice report. Fewer than you expect: see targets down on Pipeline / Overview.",
			queries: []query{{expr: `count(node_uname_info{})`, legend: "nodes"}},
		},
		{
			kind: stat, title: "Busiest CPU", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "CPU used on the node where it is highest. Above 95 % for minutes, work waits: compare with CPU saturation.",
			queries: []query{{expr: `max(` + cpuUsed + `)`, legend: "used"}},
		},
		{
			kind: stat, title: "Fullest memory", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "Memory that is not available to new work, on the node where it is highest. Page cache counts as available.",
			queries: []query{{expr: `max(` + memoryUsed + `)`, legend: "used"}},
		},
		{
			kind: stat, title: "Fullest file system", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "Space used on the file system where it is highest, seen by users other than root.",
			queries: []query{{expr: `max(` + filesystemUsed + `)`, legend: "used"}},
		},
		{
			kind: stat, title: "Busiest disk", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "Share of time in which the busiest disk had work. For disks that work in parallel 100 % is not yet full.",
			queries: []query{{expr: `max(rate(node_disk_io_time_seconds_total{}[$__rate_interval]))`, legend: "busy"}},
		},
		{
			kind: stat, title: "Shortest uptime", unit: units.Seconds,
			about:   "Time since the latest boot of any chosen node. Reboots are also marked on the time axis.",
			queries: []query{{expr: `min(time() - node_boot_time_seconds{})`, legend: "up"}},
		},
	}
}

func nodeCPU() []panel {
	return []panel{
		{
			title: "CPU utilisation", unit: units.PercentUnit, min: number(0), max: number(1),
			about:   "Share of all cores that did work, by node.",
			queries: []query{{expr: cpuUsed, legend: "{{instance}}"}},
		},
		{
			kind: stacked, title: "CPU by mode", unit: units.PercentUnit, min: number(0), max: number(1),
			about: "What the cores of the chosen nodes did when not idle. Much iowait: the disks. Much steal: the hypervisor. " +
				"Much softirq: the network.",
			queries: []query{{expr: `avg by (mode) (rate(node_cpu_seconds_total{mode!="idle"}[$__rate_interval]))`, legend: "{{mode}}"}},
		},
		{
			title: "CPU saturation (load per core)", unit: units.Short, min: number(0),
			about: "Tasks that run or wait, by core, over one and fifteen minutes. Above 1 tasks wait; Linux also counts those " +
				"that wait for a disk.",
			queries: []query{
				{expr: `node_load1{} / on (job, instance) count by (job, instance) (node_cpu_seconds_total{mode="idle"})`, legend: "{{instance}} 1m"},
				{expr: `node_load15{} / on (job, instance) count by (job, instance) (node_cpu_seconds_total{mode="idle"})`, legend: "{{instance}} 15m"},
			},
		},
	}
}

func nodeMemory() []panel {
	return []panel{
		{
			title: "Memory utilisation", unit: units.PercentUnit, min: number(0), max: number(1),
			about:   "Share of memory that is not available to new work, by node.",
			queries: []query{{expr: memoryUsed, legend: "{{instance}}"}},
		},
		{
			kind: stacked, title: "Memory by use", unit: units.BytesIEC, min: number(0),
			about: "What the memory of the chosen nodes is used for. Caches are given back when programs need room.",
			queries: []query{
				{expr: `sum(node_memory_MemTotal_bytes{} - node_memory_MemFree_bytes{} - node_memory_Buffers_bytes{} - node_memory_Cached_bytes{} - node_memory_SReclaimable_bytes{})`, legend: "programs"},
				{expr: `sum(node_memory_Buffers_bytes{} + node_memory_Cached_bytes{} + node_memory_SReclaimable_bytes{})`, legend: "caches"},
				{expr: `sum(node_memory_MemFree_bytes{})`, legend: "free"},
			},
		},
		{
			title: "Swap used", unit: units.BytesIEC, min: number(0),
			about:   "Swap in use, by node; 0 where there is none. Being used is not the fault, moving is: see paging.",
			queries: []query{{expr: `node_memory_SwapTotal_bytes{} - node_memory_SwapFree_bytes{}`, legend: "{{instance}}"}},
		},
		{
			title: "Memory saturation (paging)", unit: units.CountsPerSecond, width: 16, min: number(0),
			about: "Pages moved to and from swap, and page faults that had to wait for a disk. Steady numbers mean that the " +
				"working set does not fit.",
			queries: []query{
				{expr: `rate(node_vmstat_pswpin{}[$__rate_interval]) + rate(node_vmstat_pswpout{}[$__rate_interval])`, legend: "{{instance}} swapped"},
				{expr: `rate(node_vmstat_pgmajfault{}[$__rate_interval])`, legend: "{{instance}} major faults"},
			},
		},
		{
			title: "Processes killed for memory", unit: units.Short, min: number(0),
			about:   "What the kernel's out-of-memory killer ended, in the node as a whole and in containers. The kernel's log names them.",
			queries: []query{{expr: `increase(node_vmstat_oom_kill{}[$__rate_interval])`, legend: "{{instance}}"}},
		},
	}
}

func nodePressure() []panel {
	const none = "This kernel does not report pressure (PSI)."
	stall := func(title, about, resource string, full bool) panel {
		p := panel{
			title: title, unit: units.PercentUnit, min: number(0), about: about, empty: none,
			queries: []query{{expr: `rate(node_pressure_` + resource + `_waiting_seconds_total{}[$__rate_interval])`, legend: "{{instance}} some"}},
		}
		if full {
			p.queries = append(p.queries, query{expr: `rate(node_pressure_` + resource + `_stalled_seconds_total{}[$__rate_interval])`, legend: "{{instance}} all"})
		}
		return p
	}
	return []panel{
		stall("CPU pressure", "Share of time in which some task that could run waited for a core.", "cpu", false),
		stall("Memory pressure", "Share of time in which some, or all, tasks waited for memory to be freed or read back.", "memory", true),
		stall("I/O pressure", "Share of time in which some, or all, tasks waited for a disk.", "io", true),
	}
}

func nodeLimits() []panel {
	return []panel{
		{
			title: "File descriptors", unit: units.PercentUnit, min: number(0), max: number(1),
			about:   "Open files of the whole node against the kernel's limit.",
			queries: []query{{expr: `node_filefd_allocated{} / node_filefd_maximum{}`, legend: "{{instance}}"}},
		},
		{
			title: "Processes", unit: units.Short, min: number(0),
			about: "Tasks that run or could, and tasks that wait for a disk.",
			queries: []query{
				{expr: `node_procs_running{}`, legend: "{{instance}} running"},
				{expr: `node_procs_blocked{}`, legend: "{{instance}} blocked"},
			},
		},
		{
			title: "Clock offset", unit: units.Seconds,
			about: "By how much the kernel's time is being corrected. Telemetry from a node with a wrong clock lands in the " +
				"wrong minute; too far off, it is dropped as too_old or too_far_ahead.",
			queries: []query{{expr: `node_timex_offset_seconds{}`, legend: "{{instance}}"}},
		},
		{
			title: "Collectors that failed", unit: units.Short, width: 24, height: 6, min: number(0),
			about: "Parts of the node's metrics that could not be read at the last scrape, by collector. Panels above may lack " +
				"data because of them. A collector for what the node does not have counts here too.",
			queries: []query{{expr: `sum by (instance, collector) (node_scrape_collector_success{} == bool 0)`, legend: "{{instance}} {{collector}}"}},
		},
	}
}

// levels are the colours of Loki's levels.
var levels = map[string]string{
	"critical": "purple", "fatal": "purple", "error": "red", "warn": "yellow", "info": "green", "debug": "blue",
	"trace": "light-blue", "unknown": "gray",
}

func nodeLogs() []panel {
	const chosen = `{service_name=~".+"} | host_name=~"$instance"`
	return []panel{
		{
			kind: bars, title: "Log lines by level", unit: units.Short, colours: levels,
			about: "Lines of the chosen nodes by level. The node is the resource attribute host.name, which the tail and " +
				"journald receivers set to the name that host metrics have as instance.",
			queries: []query{{expr: `sum by (detected_level) (count_over_time(` + chosen + ` [$__auto]))`, legend: "{{detected_level}}", logQL: true}},
			empty:   "No logs of these nodes in this range.",
		},
		{
			kind: logLines, title: "Logs of the node", unit: units.Short,
			about:   "The lines themselves, newest first.",
			queries: []query{{expr: chosen, legend: "{{service_name}}", logQL: true}},
			empty:   "No logs of these nodes in this range.",
		},
	}
}
