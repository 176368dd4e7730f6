package dashboards_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// linked is what an application sends of one request: a span, a log line and a histogram with an exemplar.
const linked = `{"resource":{"attributes":[` +
	`{"key":"service.name","value":{"stringValue":"checkout"}},{"key":"service.namespace","value":{"stringValue":"shop"}},` +
	`{"key":"service.instance.id","value":{"stringValue":"one"}},{"key":"host.arch","value":{"stringValue":"amd64"}}]},`

// spanTags are what Grafana has of a span of that application, with its resource.
var spanTags = map[string]string{
	"service.name": "checkout", "service.namespace": "shop", "service.instance.id": "one", "host.arch": "amd64", "http.request.method": "GET",
}

const linkedTrace = "00000000000000000000000000c0ffee"

// TestLinks follows the links of the data sources from a trace to its logs and metrics, and from a log line and an
// exemplar to the trace, as Grafana does, for a service in a namespace.
func TestLinks(t *testing.T) {
	l := startLive(t)
	defer l.stop()
	g := grafana{store: l.store}
	send := func(n int) {
		now := time.Now().UnixNano()
		post(t.Context(), t, l.otlp+"/v1/traces", `{"resourceSpans":[`+linked+fmt.Sprintf(`"scopeSpans":[{"spans":[{"traceId":%q,"spanId":"00000000000000%02x",`+
			`"name":"GET /","startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`, linkedTrace, n, now-1e6, now), 200)
		post(t.Context(), t, l.otlp+"/v1/logs", `{"resourceLogs":[`+linked+fmt.Sprintf(`"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d",`+
			`"traceId":%q,"spanId":"00000000000000%02x","body":{"stringValue":"slow"}}]}]}]}`, now, linkedTrace, n), 200)
		post(t.Context(), t, l.otlp+"/v1/metrics", `{"resourceMetrics":[`+linked+fmt.Sprintf(`"scopeMetrics":[{"metrics":[{"name":"http.server.request.duration","unit":"s",`+
			`"histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"%d","count":"%d","sum":1,"explicitBounds":[0.1],"bucketCounts":["%d","0"],`+
			`"attributes":[{"key":"http.response.status_code","value":{"intValue":"200"}}],`+
			`"exemplars":[{"timeUnixNano":"%d","asDouble":0.05,"traceId":%q,"spanId":"00000000000000%02x"}]}]}}]}]}]}`, now, n, n, now, linkedTrace, n), 200)
	}
	var f datasources
	provisioned(t, "datasources/sluice.yaml", &f)
	var faults []error
	for end, n := time.Now().Add(patience), 1; ; n++ {
		send(n)
		if faults = g.follow(t, f); len(faults) == 0 {
			return
		}
		if time.Now().After(end) {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	for _, err := range faults {
		t.Error(err)
	}
}

// follow follows every link of every data source, and returns those that lead nowhere.
func (g grafana) follow(t *testing.T, f datasources) (faults []error) {
	t.Helper()
	links := 0
	check := func(err error) {
		links++
		if err != nil {
			faults = append(faults, err)
		}
	}
	for _, d := range f.Datasources {
		switch d.Type {
		case "tempo":
			toLogs := d.JSONData["tracesToLogsV2"].(map[string]any)
			expr := filled(toLogs["query"].(string), toLogs["tags"])
			check(g.ask(t, asked{where: "trace to logs", expr: expr, logs: true, min: -1e9, max: 1e9}, nil))
			toMetrics := d.JSONData["tracesToMetrics"].(map[string]any)
			for _, q := range toMetrics["queries"].([]any) {
				expr := filled(q.(map[string]any)["query"].(string), toMetrics["tags"])
				if err := g.ask(t, asked{where: "trace to metrics", expr: expr, min: -1e9, max: 1e9}, nil); err != nil {
					err = fmt.Errorf("trace to metrics: %s: %w", expr, err)
					check(err)
					continue
				}
				check(nil)
			}
		case "loki":
			for _, field := range d.JSONData["derivedFields"].([]any) {
				field := field.(map[string]any)
				name := field["matcherRegex"].(string) // of a label, by matcherType
				values, err := g.labelOfLines(`{service_name="checkout"}`, name)
				if err == nil {
					err = g.hasTrace(strings.ReplaceAll(field["url"].(string), "$${__value.raw}", values))
				}
				check(err)
			}
		case "prometheus":
			for _, e := range d.JSONData["exemplarTraceIdDestinations"].([]any) {
				id, err := g.exemplar("http_server_request_duration_seconds_bucket", e.(map[string]any)["name"].(string))
				if err == nil {
					err = g.hasTrace(id)
				}
				check(err)
			}
		}
	}
	if links != 6 {
		t.Errorf("%d links", links)
	}
	return faults
}

// filled puts the tags of the span and the trace's id into a query, as Grafana does: a tag that the span has not is left
// out.
func filled(query string, tags any) string {
	var matchers []string
	for _, tag := range tags.([]any) {
		tag := tag.(map[string]any)
		if v, ok := spanTags[tag["key"].(string)]; ok {
			matchers = append(matchers, tag["value"].(string)+"="+strconv.Quote(v))
		}
	}
	all := strings.Join(matchers, ", ")
	return strings.NewReplacer("$${__tags}", all, "$$__tags", all, "$${__trace.traceId}", linkedTrace).Replace(query)
}

// labelOfLines is the value of a label that a line of a selection has.
func (g grafana) labelOfLines(selector, name string) (string, error) {
	var a answer
	if err := g.get("/loki/api/v1/query_range", url.Values{"query": {selector}}, &a); err != nil {
		return "", err
	}
	for _, s := range a.Data.Result {
		if v := s.Stream[name]; v != "" {
			return v, nil
		}
	}
	return "", fmt.Errorf("log to trace: no line has %s", name)
}

// exemplar is the value of a label of an exemplar.
func (g grafana) exemplar(query, name string) (string, error) {
	var a struct {
		Data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
	}
	now := time.Now()
	err := g.get("/api/v1/query_exemplars", url.Values{"query": {query}, "start": {seconds(now.Add(-shown))}, "end": {seconds(now)}}, &a)
	for _, s := range a.Data {
		for _, x := range s.Exemplars {
			if v := x.Labels[name]; v != "" {
				return v, nil
			}
		}
	}
	return "", fmt.Errorf("exemplar to trace: no exemplar has %s (%v)", name, err)
}

func (g grafana) hasTrace(id string) error {
	var a struct {
		Trace struct{ ResourceSpans []any }
	}
	if err := g.get("/tempo/api/v2/traces/"+id, nil, &a); err != nil {
		return fmt.Errorf("trace %s: %w", id, err)
	}
	if len(a.Trace.ResourceSpans) == 0 {
		return fmt.Errorf("trace %s is empty", id)
	}
	return nil
}
