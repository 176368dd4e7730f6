package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

func pipelineAdmission() []panel {
	return []panel{
		{
			title: "Budget", unit: units.BytesIEC, min: number(0),
			about: "Bytes reserved by receivers for telemetry on its way, against what may be reserved at once. At the limit, " +
				"senders are told to try again. More: `memory_limiter`.",
			queries: []query{
				{expr: `sluice_admission_reserved_bytes{}`, legend: "{{instance}} reserved"},
				{expr: `sluice_admission_limit_bytes{}`, legend: "{{instance}} limit"},
			},
		},
		{
			title: "Budget used", unit: units.PercentUnit, min: number(0), max: number(1), steps: busy,
			about:   "The share of the budget that is reserved.",
			queries: []query{{expr: `sluice_admission_reserved_bytes{} / (sluice_admission_limit_bytes{} > 0)`, legend: "{{instance}}"}},
		},
		{
			title: "Requests refused for lack of budget", unit: units.RequestsPerSecond, min: number(0),
			about:   "Requests answered 429 or RESOURCE_EXHAUSTED by receivers, before anything of them was read into memory.",
			queries: []query{{expr: `rate(sluice_admission_refused_total{}[$__rate_interval])`, legend: "{{instance}}"}},
		},
	}
}

func pipelineExporters() []panel {
	const none = "No exporter sends over a network."
	rate := func(name, sel string) string {
		return `sum by (component) (rate(sluice_exporter_` + name + `{` + sel + `}[$__rate_interval]))`
	}
	// A rate is not defined yet at the first request with a code.
	const failed = `code!~"2..|OK"`
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (component, le) (rate(sluice_exporter_request_duration_seconds_bucket{}[$__rate_interval])))`
	}
	return []panel{
		{
			title: "Requests by answer", unit: units.RequestsPerSecond, min: number(0), empty: none,
			about: "Requests that ended, by destination and HTTP status or gRPC code. timeout and error had no answer. 401, 403 " +
				"and 404 are held and repeated: they are faults of the configuration.",
			queries: []query{{expr: `sum by (component, code) (rate(sluice_exporter_requests_total{}[$__rate_interval]))`, legend: "{{component}} {{code}}"}},
		},
		{
			title: "Requests that failed", unit: units.PercentUnit, min: number(0), max: number(1), empty: none,
			about: "Share of requests that were not answered with success.",
			queries: []query{{
				expr: `(` + rate("requests_total", failed) + ` or 0 * ` + rate("requests_total", "") + `) / (` +
					rate("requests_total", "") + ` > 0)`,
				legend: "{{component}}",
			}},
		},
		{
			title: "Latency of requests", unit: units.Seconds, min: number(0), empty: none,
			about: "From the first byte of a request to its answer, by destination.",
			queries: []query{
				{expr: quantile("0.5"), legend: "{{component}} half"},
				{expr: quantile("0.99"), legend: "{{component}} 99 %"},
			},
		},
		{
			title: "Retries and duplicates", unit: units.CountsPerSecond, min: number(0), empty: none,
			about: "Requests sent again within a call, and items that arrived after their sender had been told to try again: " +
				"what may be in the destination twice.",
			queries: []query{
				{expr: rate("retries_total", ""), legend: "{{component}} retries"},
				{expr: `sum by (component) (rate(sluice_component_duplicate_items_total{}[$__rate_interval]))`, legend: "{{component}} items twice"},
			},
		},
		{
			title: "On the wire and waiting", unit: units.Short, min: number(0), empty: none,
			about: "Requests that are sent and not answered, and callers that wait for their turn. Many waiting: the " +
				"destination is slow, or wants more connections.",
			queries: []query{
				{expr: `sum by (component) (sluice_exporter_in_flight_requests{})`, legend: "{{component}} on the wire"},
				{expr: `sum by (component) (sluice_exporter_waiting_callers{})`, legend: "{{component}} waiting"},
			},
		},
		{
			title: "Bytes sent", unit: units.BytesPerSecondSI, min: number(0), empty: none,
			about:   "Bodies of answered requests, compressed as they go over the wire.",
			queries: []query{{expr: rate("sent_bytes_total", ""), legend: "{{component}}"}},
		},
	}
}

func pipelineStore() []panel {
	const none = "No embedded store among the chosen processes."
	return []panel{
		{
			title: "Disk use", unit: units.BytesIEC, min: number(0), empty: none,
			about: "What the three stores use together, against `max_disk`. At the limit the oldest blocks and days are removed.",
			queries: []query{
				{expr: `sluice_store_disk_bytes{}`, legend: "{{instance}} used"},
				{expr: `sluice_store_disk_limit_bytes{}`, legend: "{{instance}} limit"},
			},
		},
		{
			title: "Intake stopped for lack of disk", unit: units.Short, min: number(0), max: number(1), empty: none,
			about: "1 while the disk has less room than `min_free_disk`, or the stores exceed `max_disk` and nothing older is left to remove: " +
				"nothing is taken in until there is room. " +
				"Removals are blocks and days that went to stay within `max_disk`.",
			queries: []query{
				{expr: `sluice_store_disk_low{}`, legend: "{{instance}} stopped"},
				{expr: `sluice_store_disk_full{}`, legend: "{{instance}} over max_disk"},
				{expr: `increase(sluice_store_units_removed_total{}[$__rate_interval])`, legend: "{{instance}} removals"},
			},
		},
		{
			title: "Stored", unit: units.CountsPerSecond, min: number(0), empty: none,
			about: "Items that the stores made safe, and the samples that they became in the metric store, where a histogram " +
				"is several.",
			queries: []query{
				{expr: `sum by (instance, signal) (rate(sluice_component_out_items_total{component=~"exporter/store(/.+)?"}[$__rate_interval]))`, legend: "{{instance}} {{signal}}"},
				{expr: `sum by (instance) (rate(sluice_store_samples_total{}[$__rate_interval]))`, legend: "{{instance}} samples"},
			},
		},
		{
			title: "Series in memory", unit: units.Short, min: number(0), empty: none,
			about: "Metric series that were written to lately, about 1.2 KB each. A steep rise is a label with ever new values; " +
				"at `max_series` new ones are dropped as overflow.",
			queries: []query{{expr: `prometheus_tsdb_head_series{} and on (job, instance) sluice_build_info{}`, legend: "{{instance}}"}},
		},
		{
			title: "Rules", unit: units.CountsPerSecond, min: number(0), empty: none,
			about: "Evaluations of recording and alert rules, and those that failed. A rule that fails cannot warn.",
			queries: []query{
				{expr: `sum by (instance) (rate(prometheus_rule_evaluations_total{}[$__rate_interval]) and on (job, instance) sluice_build_info{})`, legend: "{{instance}}"},
				{expr: `sum by (instance) (rate(prometheus_rule_evaluation_failures_total{}[$__rate_interval]) and on (job, instance) sluice_build_info{})`, legend: "{{instance}} failed"},
			},
		},
		{
			title: "Write-ahead logs", unit: units.BytesIEC, min: number(0), empty: none,
			about:   "Logs that are safe and not yet written into the log store. It is replayed after a crash.",
			queries: []query{{expr: `sluice_store_logs_wal_bytes{}`, legend: "{{instance}} logs"}},
		},
	}
}

func pipelineProcess() []panel {
	const own = ` and on (job, instance) sluice_build_info{}`
	of := func(title, unit, about, expr string) panel {
		return panel{
			title: title, unit: unit, about: about, min: number(0), width: 6,
			queries: []query{{expr: expr + own, legend: "{{instance}}"}},
		}
	}
	return []panel{
		of("CPU", units.Short, "Cores that each process uses.", `rate(process_cpu_seconds_total{}[$__rate_interval])`),
		of("Memory", units.BytesIEC, "Resident memory of each process.", `process_resident_memory_bytes{}`),
		of("Heap in use", units.BytesIEC, "Memory of the Go heap. Growing over days at a steady load is a leak: please report it with a heap profile.", `go_memstats_heap_inuse_bytes{}`),
		of("Goroutines", units.Short, "Growing without end at a steady load is a leak: please report it.", `go_goroutines{}`),
		{
			title: "Garbage collection", unit: units.PercentUnit, min: number(0), width: 12,
			about:   "Share of time in which each process stood still for the garbage collector.",
			queries: []query{{expr: `rate(go_gc_duration_seconds_sum{}[$__rate_interval])` + own, legend: "{{instance}}"}},
		},
		{
			title: "File descriptors", unit: units.PercentUnit, min: number(0), max: number(1), width: 12,
			about:   "Open files and connections of each process against its limit.",
			queries: []query{{expr: `process_open_fds{} / process_max_fds{}` + own, legend: "{{instance}}"}},
		},
	}
}
