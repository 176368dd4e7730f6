package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

// pipelineScraping covers all targets, because job and instance are the targets' own.
func pipelineScraping() []panel {
	const none = "Nothing is scraped."
	return []panel{
		{
			title: "Targets up", unit: units.Short, min: number(0), empty: none,
			about:   "Targets that answered the last scrape, by job, whatever is chosen above.",
			queries: []query{{expr: `sum by (job) (up)`, legend: "{{job}}", wide: true}},
		},
		{
			title: "Targets down", unit: units.Short, min: number(0), steps: notZero, empty: none,
			about: "Targets that did not answer, or not in the form that is expected, by job. `up == 0` in Explore names them; " +
				"the log of the scraping process says why.",
			queries: []query{{expr: `count by (job) (up) - sum by (job) (up)`, legend: "{{job}}", wide: true}},
		},
		{
			title: "Slowest scrape", unit: units.Seconds, min: number(0), empty: none,
			about:   "How long the slowest target of each job took to answer. At `scrape_timeout` it counts as down.",
			queries: []query{{expr: `max by (job) (scrape_duration_seconds)`, legend: "{{job}}", wide: true}},
		},
		{
			title: "Samples a scrape", unit: units.Short, min: number(0), empty: none,
			about:   "Samples of all targets of a job after relabelling. A job that grows without deploys has a label with ever new values.",
			queries: []query{{expr: `sum by (job) (scrape_samples_post_metric_relabeling)`, legend: "{{job}}", wide: true}},
		},
		{
			title: "New series a scrape", unit: units.Short, min: number(0), empty: none,
			about:   "Series that the last scrape had and the one before had not. Steadily above 0 is churn, which costs memory and disk.",
			queries: []query{{expr: `sum by (job) (scrape_series_added)`, legend: "{{job}}", wide: true}},
		},
		{
			title: "Failed scrapes by reason", unit: units.CountsPerSecond, min: number(0), empty: none,
			about: "Scrapes of the chosen processes that failed, by reason. The log of the process names the target.",
			queries: []query{{
				expr:   `sum by (instance, component, reason) (rate(sluice_scrape_failures_total{}[$__rate_interval]))`,
				legend: "{{instance}} {{component}} {{reason}}",
			}},
		},
	}
}

func pipelineSources() []panel {
	const none = "No process tails files."
	rate := func(name string) string { return `rate(sluice_tail_` + name + `{}[$__rate_interval])` }
	return []panel{
		{
			title: "Unread bytes of files", unit: units.BytesIEC, min: number(0), empty: none,
			about: "What is in log files and not yet read. Growing: the destination refuses, or the disk is too slow. Files that " +
				"are removed with unread bytes are lost, and counted.",
			queries: []query{{expr: `sluice_tail_unread_bytes{}`, legend: "{{instance}}"}},
		},
		{
			title: "Files", unit: units.Short, min: number(0), empty: none,
			about: "Log files that are known, and those of them that are open.",
			queries: []query{
				{expr: `sluice_tail_files{}`, legend: "{{instance}} known"},
				{expr: `sluice_tail_open_files{}`, legend: "{{instance}} open"},
			},
		},
		{
			title: "Read from files", unit: units.BytesPerSecondSI, min: number(0), empty: none,
			about:   "Bytes of files that were made into records.",
			queries: []query{{expr: rate("read_bytes_total"), legend: "{{instance}}"}},
		},
		{
			title: "Trouble with files", unit: units.CountsPerSecond, min: number(0), width: 12, empty: none,
			about: "Lines cut at `max_line_bytes`, lines repaired because they were not UTF-8, lines that were not in the format " +
				"their file has, files that could not be read, checkpoints that could not be written.",
			queries: []query{
				{expr: rate("truncated_lines_total"), legend: "{{instance}} cut"},
				{expr: rate("repaired_lines_total"), legend: "{{instance}} repaired"},
				{expr: rate("malformed_lines_total"), legend: "{{instance}} malformed"},
				{expr: rate("unreadable_total"), legend: "{{instance}} unreadable"},
				{expr: rate("checkpoint_failures_total"), legend: "{{instance}} checkpoints"},
			},
		},
		{
			title: "Trouble with clients", unit: units.CountsPerSecond, min: number(0), width: 12,
			empty: "No process listens for OTLP.",
			about: "OTLP requests that were no OTLP, and strings repaired because they were not UTF-8. The log of the receiver " +
				"names the client.",
			queries: []query{
				{expr: `sum by (instance, component) (rate(sluice_receiver_invalid_requests_total{}[$__rate_interval]))`, legend: "{{instance}} {{component}} invalid"},
				{expr: `sum by (instance, component) (rate(sluice_receiver_repaired_strings_total{}[$__rate_interval]))`, legend: "{{instance}} {{component}} repaired"},
			},
		},
	}
}
