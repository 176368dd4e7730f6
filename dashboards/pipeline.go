package dashboards

import "github.com/grafana/grafana-foundation-sdk/go/units"

// pipelineOverview shows whether data is lost, where it is stuck, and why.
func pipelineOverview() board {
	return board{
		file: "pipeline-overview.json", uid: "sluice-pipeline-overview", title: "Pipeline / Overview", tags: []string{"pipeline"},
		about: "What the chosen Sluice processes took in, delivered, refused, dropped and hold. Every item is in exactly one " +
			"of these; the first figure is red when that is not so.",
		member: "sluice_build_info",
		choose: []choice{
			{
				name: "component", label: "Component", about: "Receivers, processors and exporters of the accounting rows.",
				query: `label_values(sluice_component_in_items_total{job=~"$job",instance=~"$instance"}, component)`,
			},
			{
				name: "service", label: "Service", about: "Whose warnings are shown in the last row.",
				query: "label_values(service_name)", logs: true,
			},
		},
		event: event{"Start", "process_start_time_seconds{} and on (job, instance) sluice_build_info{}"},
		rows: []row{
			{"Is anything lost?", pipelineGlance()},
			{"Accounting by component", pipelineAccounting()},
			{"Admission", pipelineAdmission()},
			{"Exporters", pipelineExporters()},
			{"Store", pipelineStore()},
			{"Scraping", pipelineScraping()},
			{"Files and listeners", pipelineSources()},
			{"Process", pipelineProcess()},
			{"Recent warnings", pipelineLogs()},
		},
	}
}

// orNothing is 0 if the series is missing because its event never happened, and no data if the pipeline itself is
// missing.
func orNothing(series string) string {
	return `(` + series + `) or 0 * sum(sluice_build_info{})`
}

// byAccident excludes drops that the configuration asked for.
const byAccident = `reason!~"filtered|aggregated|sampled"`

func pipelineGlance() []panel {
	yes := func(on, off string) map[string]word { return map[string]word{"1": {on, good}, "0": {off, bad}} }
	const unseen = "no data"
	return []panel{
		{
			kind: stat, width: 3, title: "Unaccounted items", unit: units.Short, calc: "max", steps: notZero, empty: unseen,
			about: "The worst moment in the range. Items that the ledger cannot explain: each one is a bug of ours, please " +
				"report it. The runbook of SluiceRecordsUnaccounted says what to save first.",
			queries: []query{{expr: `sum(sluice_unaccounted_items{})`, legend: "unaccounted"}},
		},
		{
			kind: stat, width: 3, title: "Dropped since start", unit: units.Short, steps: []step{{0, good}, {1, warn}}, empty: unseen,
			about: "Items that will not be delivered and that nobody asked to drop. The accounting row says where and why; the " +
				"runbook of SluiceRecordsDropped says what to do about each reason.",
			queries: []query{{expr: orNothing(`sum(sluice_component_dropped_items_total{` + byAccident + `})`), legend: "dropped"}},
		},
		{
			kind: stat, width: 3, title: "Taken in", unit: units.CountsPerSecond, empty: unseen,
			about:   "Data points, log records and spans that entered receivers each second.",
			queries: []query{{expr: `sum(rate(sluice_component_in_items_total{component=~"receiver/.+"}[$__rate_interval]))`, legend: "in"}},
		},
		{
			kind: stat, width: 3, title: "Delivered", unit: units.CountsPerSecond, empty: unseen,
			about:   "Items that destinations confirmed each second. With two destinations for everything it is twice what was taken in.",
			queries: []query{{expr: `sum(rate(sluice_component_delivered_items_total{}[$__rate_interval]))`, legend: "delivered"}},
		},
		{
			kind: stat, width: 3, title: "Held now", unit: units.Short, empty: unseen,
			about:   "Items that entered a receiver and are not answered yet. Growing without end: a destination is away or too slow.",
			queries: []query{{expr: `sum(sluice_component_held_items{component=~"receiver/.+"})`, legend: "held"}},
		},
		{
			kind: stat, width: 3, title: "Intake", unit: units.NoUnit, words: yes("open", "closed"), empty: unseen,
			about:   "Closed while any chosen process starts, drains or reloads; its senders are told to try again.",
			queries: []query{{expr: `min(sluice_ready{})`, legend: "intake"}},
		},
		{
			kind: stat, width: 3, title: "Configuration", unit: units.NoUnit, words: yes("loaded", "refused"), empty: unseen,
			about: "Refused: the last file that some process was given has faults, which its log lists, and it runs the one " +
				"before. `sluice validate` finds them without a restart.",
			queries: []query{{expr: `min(sluice_config_last_reload_successful{})`, legend: "configuration"}},
		},
		{
			kind: stat, width: 3, title: "Processes by version", unit: units.Short, named: true, empty: unseen,
			about:   "Chosen processes that report, by version.",
			queries: []query{{expr: `count by (version) (sluice_build_info{})`, legend: "{{version}}"}},
		},
	}
}

func pipelineAccounting() []panel {
	const by = `component=~"$component"`
	rate := func(name string) string {
		return `sum by (component, pipeline, signal) (rate(sluice_component_` + name + `_items_total{` + by + `}[$__rate_interval]))`
	}
	each := func(name string) []query {
		return []query{{
			expr:   `sum by (component, signal) (rate(sluice_component_` + name + `_items_total{` + by + `}[$__rate_interval]))`,
			legend: "{{component}} {{signal}}",
		}}
	}
	nowhere := `0 * sum by (component, pipeline, signal) (sluice_component_in_items_total{` + by + `})`
	return []panel{
		{
			kind: table, title: "The ledger", unit: units.Short, height: 12, sort: "component",
			about: "One row for each component and signal: in = out + refused + dropped + held. Out means answered as safe; delivered is what " +
				"the destination of an exporter confirmed. Items each second, except held.",
			queries: []query{
				{expr: rate("in"), legend: "In /s"},
				{expr: rate("out"), legend: "Out /s"},
				{expr: rate("refused"), legend: "Refused /s", alarm: warn},
				{expr: `sum by (component, pipeline, signal) (sluice_component_dropped_items_total{` + by + `}) or ` + nowhere, legend: "Dropped since start", alarm: bad},
				{expr: `sum by (component, pipeline, signal) (sluice_component_held_items{` + by + `})`, legend: "Held"},
				{expr: rate("delivered") + ` or ` + nowhere, legend: "Delivered /s"},
			},
		},
		{
			title: "In", unit: units.CountsPerSecond, min: number(0), queries: each("in"),
			about: "Items that entered each component. A source that stopped goes to 0 here.",
		},
		{
			title: "Delivered", unit: units.CountsPerSecond, min: number(0), queries: each("delivered"),
			about: "Items that each destination confirmed.",
		},
		{
			title: "Held", unit: units.Short, min: number(0),
			about:   "Items inside each component now. Those of a receiver are the sum of what is behind it.",
			queries: []query{{expr: `sum by (component, signal) (sluice_component_held_items{` + by + `})`, legend: "{{component}} {{signal}}"}},
		},
		{
			title: "Refused", unit: units.CountsPerSecond, min: number(0), queries: each("refused"),
			about: "Items that were answered 'try again'. Nothing is lost by it: the sender still has them. The last component " +
				"in data-path order that refuses is the cause, those before it only pass it on.",
		},
		{
			title: "Dropped by reason, since start", unit: units.Short, min: number(0),
			about: "Items that will not be delivered, by the one reason. The counter itself and not its rate, because a reason " +
				"appears with its first drop, which a rate would not show: look for steps.",
			queries: []query{{
				expr: `sum by (component, signal, reason) (sluice_component_dropped_items_total{` + by + `}) or on () ` +
					`label_replace(0 * sum(sluice_build_info{}), "reason", "nothing dropped", "", "")`,
				legend: "{{reason}} {{component}} {{signal}}",
			}},
		},
		{
			title: "Unaccounted", unit: units.Short, min: number(0), steps: notZero,
			about:   "Items that the ledger of each process cannot explain, over time. 0 at every instant, or a bug.",
			queries: []query{{expr: `sluice_unaccounted_items{}`, legend: "{{instance}}"}},
		},
	}
}

func pipelineLogs() []panel {
	const chosen = `{service_name=~"$service"} | detected_level=~"warn|error|critical|fatal"`
	const none = "No warnings in this range."
	return []panel{
		{
			kind: bars, title: "Warnings and errors by service", unit: units.Short, empty: none,
			about: "Lines of level warn and above of the chosen services. For the pipeline's own lines choose the service under " +
				"which its container or unit logs; `sluice up` does not collect its own output.",
			queries: []query{{expr: `sum by (service_name) (count_over_time(` + chosen + ` [$__auto]))`, legend: "{{service_name}}", logQL: true}},
		},
		{
			kind: logLines, title: "Warnings and errors", unit: units.Short, empty: none,
			about:   "The lines themselves, newest first.",
			queries: []query{{expr: chosen, legend: "{{service_name}}", logQL: true}},
		},
	}
}
