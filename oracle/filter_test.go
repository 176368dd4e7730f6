package oracle

import (
	"fmt"
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
				if !same(t, "filter", nest(key, map[string]any{"error_mode": mode}, anys), in) {
					t.Error("both refuse it")
				}
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

// TestOlderForm: include and exclude by properties.
func TestOlderForm(t *testing.T) {
	type m = map[string]any
	type l = []any
	attrs := func(kv ...any) l {
		var out l
		for i := 0; i < len(kv); i += 2 {
			out = append(out, m{"key": kv[i], "value": kv[i+1]})
		}
		return out
	}
	refused := 0
	for part, c := range map[string]struct {
		signal wire.Signal
		matchs []m
	}{
		"logs": {wire.Logs, []m{
			{"match_type": "strict", "bodies": l{"GET /healthz 200 from 10.0.0.1", "42"}},
			{"match_type": "regexp", "bodies": l{"^GET", "boom", "4"}},
			{"match_type": "strict", "severity_texts": l{"INFO"}, "record_attributes": attrs("int", 200)},
			{"match_type": "regexp", "severity_texts": l{"(?i)ERR"}},
			{"match_type": "strict", "severity_number": m{"min": "WARN"}},
			{"match_type": "strict", "severity_number": m{"min": "info", "match_undefined": true}},
			{"match_type": "strict", "resource_attributes": attrs("service.name", "cart")},
			{"match_type": "regexp", "resource_attributes": attrs("service.name", "^sh", "int", "0")},
			{"match_type": "strict", "record_attributes": attrs("double", 3.0)},
			{"match_type": "strict", "record_attributes": attrs("bool", true)},
			{"match_type": "strict", "record_attributes": l{m{"key": "json"}}},
			{"match_type": "regexp", "record_attributes": attrs("map", "v1")},
			{"match_type": "regexp", "record_attributes": attrs("int", "^4")},
			{"match_type": "strict", "record_attributes": attrs("int", 200.0)},
			{"match_type": "strict"},
			{"match_type": "glob", "bodies": l{"x"}},
			{"match_type": "regexp", "bodies": l{"("}},
		}},
		"metrics": {wire.Metrics, []m{
			{"match_type": "strict", "metric_names": l{"latency", "cpu_usage"}},
			{"match_type": "regexp", "metric_names": l{"^http", "cpu"}},
			{"match_type": "strict", "resource_attributes": attrs("service.name", "cart")},
			{"match_type": "regexp", "metric_names": l{"cpu"}, "resource_attributes": attrs("service.name", "shop")},
		}},
		"spans": {wire.Traces, []m{
			{"match_type": "strict", "services": l{"shop"}},
			{"match_type": "regexp", "services": l{"cart", "nil"}},
			{"match_type": "regexp", "span_names": l{"^GET"}, "attributes": attrs("str", "o")},
			{"match_type": "strict", "span_kinds": l{"SPAN_KIND_SERVER"}},
			{"match_type": "regexp", "span_kinds": l{"CLIENT|PRODUCER"}},
			{"match_type": "strict", "resources": attrs("int", 200), "libraries": l{m{"name": "lib"}}},
			{"match_type": "strict", "libraries": l{m{"name": "lib", "version": "9"}}},
			{"match_type": "strict"},
		}},
	} {
		for i, x := range c.matchs {
			for _, way := range []string{"include", "exclude"} {
				t.Run(fmt.Sprint(part, i, way), func(t *testing.T) {
					if !same(t, "filter", m{part: m{way: x}}, signals[c.signal].make(t)) {
						refused++
					}
				})
			}
		}
		both := m{part: m{"include": c.matchs[1], "exclude": c.matchs[2]}}
		same(t, "filter", both, signals[c.signal].make(t))
	}
	if refused != 6 { // glob, a broken expression, and spans without a property, each in both ways
		t.Errorf("both refuse %d configurations, want 6", refused)
	}
}
