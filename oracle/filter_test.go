package oracle

import (
	"testing"

	"github.com/sluiceio/sluice/wire"
)

// conditions hold for some records in each context.
var conditions = map[string]struct {
	signal     wire.Signal
	conditions []string
}{
	"logs::log_record": {wire.Logs, []string{
		`IsMatch(body, "GET")`, `severity_number < SEVERITY_NUMBER_WARN`, `attributes["int"] == 200`,
		`resource.attributes["service.name"] == "cart"`, `IsString(body) and not HasPrefix(body, "GET")`,
		`attributes["nothing"] != nil`, `HasPrefix(attributes["nothing"], "x")`, `true`, `false`,
		`instrumentation_scope.name == "lib"`, `body["msg"] == "in a map"`, `log.severity_text == ""`,
	}},
	"logs::resource": {wire.Logs, []string{
		`attributes["service.name"] == "shop"`, `attributes["nothing"] == nil`, `IsMatch(attributes["str"], "GET")`,
	}},
	"traces::span": {wire.Traces, []string{
		`name == "health"`, `kind == SPAN_KIND_SERVER`, `status.code == STATUS_CODE_ERROR`, `IsMatch(name, "^GET")`,
		`attributes["int"] > 600 or resource.attributes["int"] == 200`, `end_time_unix_nano - start_time_unix_nano > 500003000`,
	}},
	"traces::spanevent":  {wire.Traces, []string{`name == "exception"`, `attributes["int"] == 200`, `span.name == "SELECT"`, `true`}},
	"traces::resource":   {wire.Traces, []string{`attributes["service.name"] == "shop"`}},
	"metrics::metric":    {wire.Metrics, []string{`name == "latency"`, `IsMatch(name, "^http")`, `type == METRIC_DATA_TYPE_SUM`, `is_monotonic == true`, `unit != "1"`}},
	"metrics::datapoint": {wire.Metrics, []string{`attributes["int"] == 200`, `metric.name == "latency"`, `value_int > 2`, `metric.type == METRIC_DATA_TYPE_GAUGE and value_double == 0.5`, `true`}},
	"metrics::resource":  {wire.Metrics, []string{`attributes["service.name"] == "shop"`}},
}

// TestEachCondition drops by every condition alone and by all of them.
func TestEachCondition(t *testing.T) {
	for key, c := range conditions {
		in := signals[c.signal].make(t)
		run := func(list []string) {
			var anys []any
			for _, x := range list {
				anys = append(anys, x)
			}
			for _, mode := range []string{"silent", "propagate"} {
				same(t, "filter", nest(key, map[string]any{"error_mode": mode}, anys), in)
			}
		}
		for _, x := range c.conditions {
			t.Run(key+"/"+x, func(t *testing.T) { run([]string{x}) })
		}
		t.Run(key+"/all", func(t *testing.T) { run(c.conditions[:2+len(c.conditions)/2-1]) })
	}
}

// nest sets the value at a key with parts.
func nest(key string, config map[string]any, v any) map[string]any {
	for i := range key {
		if key[i] == ':' {
			config[key[:i]] = map[string]any{key[i+2:]: v}
			return config
		}
	}
	return config
}

// TestInferredContexts runs lists whose paths name their contexts.
func TestInferredContexts(t *testing.T) {
	for key, list := range map[string][]any{
		"log_statements": {`set(log.attributes["a"], resource.attributes["service.name"])`, `set(resource.attributes["b"], log.attributes["int"])`,
			`set(log.attributes["c"], resource.attributes["b"])`},
		"trace_statements":  {`set(span.attributes["a"], 1) where IsMatch(span.name, "GET")`, `set(resource.attributes["b"], span.name)`},
		"metric_statements": {`set(datapoint.attributes["a"], metric.name)`, `delete_key(datapoint.attributes, "str") where metric.type == METRIC_DATA_TYPE_SUM`},
	} {
		for _, s := range signals {
			if s.statements == key {
				same(t, "transform", map[string]any{"error_mode": "silent", key: list}, s.make(t))
			}
		}
	}
	same(t, "transform", map[string]any{"log_statements": []any{`set(resource.attributes["only"], "here")`}}, logs(t))
	same(t, "transform", map[string]any{"log_statements": []any{`set(attributes["only"], "here")`}}, logs(t))
	same(t, "transform", map[string]any{"metric_statements": []any{`set(metric.description, metric.name)`}}, metrics(t))
	same(t, "transform", map[string]any{"trace_statements": []any{`set(spanevent.attributes["s"], span.name)`}}, traces(t))
	same(t, "transform", map[string]any{"log_statements": []any{
		map[string]any{"conditions": []any{`log.severity_number > 8`, `IsMatch(log.body, "GET")`}, "statements": []any{`set(log.attributes["x"], 1)`}},
		map[string]any{"context": "resource", "statements": []any{`set(attributes["y"], 2)`, `delete_key(resource.attributes, "str")`}},
		map[string]any{"context": "log", "conditions": []any{`attributes["x"] == 1`}, "statements": []any{`set(attributes["z"], resource.attributes["y"])`}},
	}}, logs(t))
	same(t, "filter", map[string]any{"log_conditions": []any{`log.attributes["int"] == 200`, `resource.attributes["service.name"] == "cart"`}}, logs(t))
	same(t, "filter", map[string]any{"metric_conditions": []any{
		map[string]any{"context": "datapoint", "conditions": []any{`attributes["int"] == 200`}},
		map[string]any{"context": "metric", "conditions": []any{`name == "latency"`}},
	}}, metrics(t))
	same(t, "filter", map[string]any{"trace_conditions": []any{`spanevent.name == "log"`, `span.name == "health"`}}, traces(t))
}
