package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
)

// languageWays are processors that change or drop each log, with the same configuration for both programs.
var languageWays = []struct {
	name, processors, order string
	drops                   *regexp.Regexp // bodies; nil: none
	signal                  string         // traces or metrics; logs if empty
	routed                  bool           // by namespace, to two exporters; the logs of a request are of ten resources and two namespaces
}{
	{name: "no processor"},
	{name: "`transform`: one `set`, one `delete_key`", order: "transform", processors: `  transform:
    log_statements:
      - context: log
        statements:
          - set(attributes["environment"], "production")
          - delete_key(attributes, "client.address")
`},
	{name: "`filter`: `IsMatch` on the body", order: "filter", processors: `  filter:
    logs: {log_record: ['IsMatch(body, "retry|failed|timeout")']}
`, drops: regexp.MustCompile("retry|failed|timeout")},
	{name: "`attributes`: upsert, and rename by two actions", order: "attributes", processors: `  attributes:
    actions:
      - {key: environment, value: production, action: upsert}
      - {key: http.route, from_attribute: url.path, action: insert}
      - {key: url.path, action: delete}
`},
	{name: "`attributes` upsert and rename, `resource` upsert, `routing` by namespace to two exporters", order: "attributes, resource", processors: `  attributes:
    actions:
      - {key: environment, value: production, action: upsert}
      - {key: http.route, from_attribute: url.path, action: insert}
      - {key: url.path, action: delete}
  resource:
    attributes: [{key: deployment.environment.name, value: production, action: upsert}]
`, routed: true},
	{name: "`redaction`: three value patterns, found in no log", order: "redaction", processors: `  redaction:
    allow_all_keys: true
    blocked_values: ['[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}', '\b\d{3}-\d{2}-\d{4}\b', '\b(?:4\d{3}|5[1-5]\d{2})(?:[ -]?\d{4}){3}\b']
`},
	{name: "`redaction`: three value patterns, one found in every log", order: "redaction", processors: `  redaction:
    allow_all_keys: true
    blocked_values: ['[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}', '\b\d{3}-\d{2}-\d{4}\b', '\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b']
`},
	{name: "spans: `transform` on attributes with `where`", order: "transform", signal: "traces", processors: `  transform:
    trace_statements:
      - context: span
        statements:
          - set(attributes["http.route"], "/api/v1/orders") where IsMatch(attributes["url.path"], "^/api/v1/orders/")
          - delete_key(attributes, "user_agent.original")
`},
	{name: "points: `filter` by metric name and datapoint attribute", order: "filter", signal: "metrics", processors: `  filter:
    metrics:
      metric: ['name == "` + droppedMetric + `"']
      datapoint: ['attributes["state"] == "` + droppedState + `"']
`},
	{name: "`transform`: a condition that reads no record and does not hold", order: "transform", processors: `  transform:
    log_statements:
      - context: resource
        statements: ['set(attributes["x"], 1) where attributes["service.name"] == "nothing"']
`},
	{name: "`transform`: a condition that holds for none", order: "transform", processors: `  transform:
    log_statements:
      - context: log
        statements: ['set(attributes["x"], 1) where severity_number >= SEVERITY_NUMBER_ERROR']
`},
}

func language(o options) (table, error) {
	t := table{
		title:   "Processors that change or drop: OTLP/HTTP uncompressed in and out, 1,000 different logs of about 350 B a request, one core (GOMAXPROCS=1)",
		command: "make bench, or: cd bench && go run . language",
		head:    []string{"way", "program", "CPU µs/record", "to Sluice's CPU", "peak RSS MiB"},
		notes: []string{fmt.Sprintf("Median (min–max) of %d alternating runs of %d records each after warm-up; `sending_queue` off at the Collector; every log that came out counted.",
			o.runs, o.logs)},
	}
	same, err := logRequests()
	if err != nil {
		return t, err
	}
	mixed, err := namespaces(same)
	if err != nil {
		return t, err
	}
	spans, err := spanRequests()
	if err != nil {
		return t, err
	}
	points, pointsLeft, err := pointRequests(distinctRequests)
	if err != nil {
		return t, err
	}
	for _, way := range languageWays {
		requests, left := same, []int(nil)
		switch {
		case way.signal == "traces":
			requests = spans
		case way.signal == "metrics":
			requests, left = points, pointsLeft
		case way.routed:
			requests = mixed
		case way.drops != nil:
			if left, err = leftOf(requests, way.drops); err != nil {
				return t, err
			}
		}
		subjects := []subject{
			{name: "Sluice", binary: gatewaySubjects[0].binary, args: []string{"--data-dir", filepath.Join(os.TempDir(), "sluice-bench-language")}},
			{name: "Collector 0.158", binary: otelcol},
		}
		figures := make([]figure, len(subjects))
		for i := range subjects {
			keys := ""
			if i == 1 {
				keys = "    sending_queue: {enabled: false}\n"
			}
			subjects[i].config = func(in, out ports, enc, proto string) string {
				c := gatewayConfig(in, out, enc, proto, keys)
				if way.order == "" {
					return c
				}
				c = strings.Replace(c, "    logs: {", "    "+cmp.Or(way.signal, "logs")+": {", 1)
				c = strings.Replace(c, "exporters:\n", "processors:\n"+way.processors+"exporters:\n", 1)
				if way.routed {
					c = routed(c)
				}
				return strings.Replace(c, "receivers: [otlp], exporters", "receivers: [otlp], processors: ["+way.order+"], exporters", 1)
			}
			subjects[i].left, subjects[i].signal = left, way.signal
		}
		for range o.runs {
			for i, s := range subjects {
				if err := gatewayRun(o, s, "HTTP", "", requests, &figures[i]); err != nil {
					return t, fmt.Errorf("%s, %s: %w", s.name, way.name, err)
				}
			}
		}
		for i, s := range subjects {
			f := figures[i]
			t.rows = append(t.rows, []string{way.name, s.name, f.cpu.format(3), ratio(f.cpu, figures[0].cpu).format(1), f.rss.format(0)})
		}
	}
	return t, nil
}

// leftOf returns how many logs of each request are not dropped.
func leftOf(requests [][]byte, dropped *regexp.Regexp) ([]int, error) {
	left := make([]int, len(requests))
	for i, r := range requests {
		q := plogotlp.NewExportRequest()
		if err := q.UnmarshalProto(r); err != nil {
			return nil, err
		}
		records := q.Logs().ResourceLogs().At(0).ScopeLogs().At(0).LogRecords()
		for k := range records.Len() {
			if !dropped.MatchString(records.At(k).Body().Str()) {
				left[i]++
			}
		}
	}
	return left, nil
}

// routed puts a routing connector between the processors and two equal exporters.
func routed(config string) string {
	_, exporter, _ := strings.Cut(config, "exporters:\n")
	exporter, _, _ = strings.Cut(exporter, "service:\n")
	config = strings.Replace(config, "service:\n", strings.Replace(exporter, "otlp_http:", "otlp_http/shop:", 1)+`connectors:
  routing:
    default_pipelines: [logs/other]
    table:
      - {context: resource, condition: 'attributes["k8s.namespace.name"] == "shop"', pipelines: [logs/shop]}
service:
`, 1)
	return strings.Replace(config, "exporters: [otlp_http]", "exporters: [routing]", 1) + `    logs/shop: {receivers: [routing], exporters: [otlp_http/shop]}
    logs/other: {receivers: [routing], exporters: [otlp_http]}
`
}

// namespaces spreads the logs of each request over ten resources, whose namespaces are two by turns.
func namespaces(requests [][]byte) ([][]byte, error) {
	const resources = 10
	var out [][]byte
	for _, r := range requests {
		q := plogotlp.NewExportRequest()
		if err := q.UnmarshalProto(r); err != nil {
			return nil, err
		}
		from := q.Logs().ResourceLogs().At(0)
		records := from.ScopeLogs().At(0).LogRecords()
		l := plog.NewLogs()
		for i := range resources {
			to := l.ResourceLogs().AppendEmpty()
			from.Resource().CopyTo(to.Resource())
			to.Resource().Attributes().PutStr("k8s.namespace.name", []string{"shop", "payments"}[i%2])
			into := to.ScopeLogs().AppendEmpty().LogRecords()
			for k := i * records.Len() / resources; k < (i+1)*records.Len()/resources; k++ {
				records.At(k).CopyTo(into.AppendEmpty())
			}
		}
		b, err := plogotlp.NewExportRequestFromLogs(l).MarshalProto()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
