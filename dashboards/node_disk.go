package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

func nodeDisks() []panel {
	return []panel{
		{
			title: "Disk utilisation", unit: units.PercentUnit, min: number(0), max: number(1),
			about:   "Share of time in which the disk had work to do.",
			queries: []query{{expr: `rate(node_disk_io_time_seconds_total{}[$__rate_interval])`, legend: "{{instance}} {{device}}"}},
		},
		{
			title: "Disk saturation (queue)", unit: units.Short, min: number(0),
			about:   "Requests that the disk worked on or that waited, on average.",
			queries: []query{{expr: `rate(node_disk_io_time_weighted_seconds_total{}[$__rate_interval])`, legend: "{{instance}} {{device}}"}},
		},
		{
			title: "Disk latency", unit: units.Seconds, min: number(0),
			about: "How long a read and a write took on average, waiting included; 0 while there are none.",
			queries: []query{
				{expr: latency("read", "reads"), legend: "{{instance}} {{device}} read"},
				{expr: latency("write", "writes"), legend: "{{instance}} {{device}} write"},
			},
		},
		{
			title: "Disk throughput", unit: units.BytesPerSecondSI, min: number(0), width: 12,
			about: "Bytes read from and written to each disk.",
			queries: []query{
				{expr: `rate(node_disk_read_bytes_total{}[$__rate_interval])`, legend: "{{instance}} {{device}} read"},
				{expr: `rate(node_disk_written_bytes_total{}[$__rate_interval])`, legend: "{{instance}} {{device}} write"},
			},
		},
		{
			title: "Disk operations", unit: units.IOOpsPerSecond, min: number(0), width: 12,
			about: "Reads and writes that each disk finished.",
			queries: []query{
				{expr: `rate(node_disk_reads_completed_total{}[$__rate_interval])`, legend: "{{instance}} {{device}} read"},
				{expr: `rate(node_disk_writes_completed_total{}[$__rate_interval])`, legend: "{{instance}} {{device}} write"},
			},
		},
	}
}

// latency is the mean time of an operation. The minimum avoids 0/0 and is far below one operation.
func latency(time, ops string) string {
	return `rate(node_disk_` + time + `_time_seconds_total{}[$__rate_interval]) / clamp_min(rate(node_disk_` + ops +
		`_completed_total{}[$__rate_interval]), 1e-6)`
}

func nodeFilesystems() []panel {
	const files = `{` + realFilesystems + `}`
	return []panel{
		{
			title: "Space used", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "Share of each file system that users other than root cannot write to any more.",
			queries: []query{{expr: filesystemUsed, legend: "{{instance}} {{mountpoint}}"}},
		},
		{
			title: "Inodes used", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about: "Share of each file system's inodes that are taken: a disk with space left and none of these takes no new " +
				"files. File systems that have no fixed number are left out.",
			queries: []query{{
				expr:   `1 - node_filesystem_files_free` + files + ` / (node_filesystem_files` + files + ` > 0)`,
				legend: "{{instance}} {{mountpoint}}",
			}},
		},
		{
			title: "Read-only or failing", unit: units.Short, min: number(0),
			about: "1 for a file system that is mounted read-only, or whose size could not be read. A disk that turns " +
				"read-only by itself has had an error: see the kernel's log.",
			queries: []query{
				{expr: `max by (instance, mountpoint) (node_filesystem_readonly` + files + `)`, legend: "{{instance}} {{mountpoint}} read-only"},
				{expr: `max by (instance, mountpoint) (node_filesystem_device_error` + files + `)`, legend: "{{instance}} {{mountpoint}} failing"},
			},
		},
		{
			kind: table, title: "File systems", unit: units.BytesIEC, height: 8, sort: "mountpoint",
			about: "Every file system of the chosen nodes, with what is left.",
			queries: []query{
				{expr: mounted(`node_filesystem_size_bytes` + files), legend: "Size"},
				{expr: mounted(`node_filesystem_avail_bytes` + files), legend: "Available"},
			},
		},
	}
}

// mounted keeps the labels that identify file systems.
func mounted(series string) string {
	return `max by (instance, device, mountpoint, fstype) (` + series + `)`
}

func nodeNetwork() []panel {
	both := func(what string) []query {
		return []query{
			{expr: `rate(node_network_receive_` + what + `_total{` + wires + `}[$__rate_interval])`, legend: "{{instance}} {{device}} in"},
			{expr: `rate(node_network_transmit_` + what + `_total{` + wires + `}[$__rate_interval])`, legend: "{{instance}} {{device}} out"},
		}
	}
	return []panel{
		{
			title: "Network throughput", unit: units.BytesPerSecondSI, min: number(0),
			about:   "Bytes in and out of each interface. Compare with the speed of the link, which virtual ones do not tell.",
			queries: both("bytes"),
		},
		{
			title: "Network drops", unit: units.PacketsPerSecond, min: number(0),
			about:   "Packets that the kernel let fall because a queue was full, by interface: the saturation of the network.",
			queries: both("drop"),
		},
		{
			title: "Network errors", unit: units.PacketsPerSecond, min: number(0),
			about:   "Packets that were damaged or could not be sent. Anything but 0 is a cable, a driver or a duplex fault.",
			queries: both("errs"),
		},
		{
			title: "TCP segments sent again", unit: units.PercentUnit, min: number(0), width: 12,
			about:   "Share of sent segments that were repeated. Above a few percent, something on the way loses packets.",
			queries: []query{{expr: `rate(node_netstat_Tcp_RetransSegs{}[$__rate_interval]) / clamp_min(rate(node_netstat_Tcp_OutSegs{}[$__rate_interval]), 1e-6)`, legend: "{{instance}}"}},
		},
		{
			title: "TCP connections", unit: units.Short, min: number(0), width: 12,
			about: "Established connections, and those that wait for the end of their quarantine.",
			queries: []query{
				{expr: `node_netstat_Tcp_CurrEstab{}`, legend: "{{instance}} established"},
				{expr: `node_sockstat_TCP_tw{}`, legend: "{{instance}} time-wait"},
			},
		},
	}
}
