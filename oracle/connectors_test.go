package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/countconnector"
	"github.com/open-telemetry/opentelemetry-collector-contrib/connector/routingconnector"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/connector/connectortest"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	otelpipeline "go.opentelemetry.io/collector/pipeline"

	"github.com/sluiceio/sluice/connectors/count"
	"github.com/sluiceio/sluice/connectors/routing"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// A delivery is what each pipeline got: its records, each with its context, in an order that does not depend on batches.
type delivery map[string][]string

var pipelineNames = []string{"a", "b", "other"}

// headers of the request.
var headers = map[string][]string{"x-tenant": {"acme", "second"}}

// contribRouting runs contrib's routing connector.
func contribRouting(t *testing.T, config map[string]any, in telemetry) (delivery, error) {
	t.Helper()
	factory := routingconnector.NewFactory()
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if err := cfg.(interface{ Validate() error }).Validate(); err != nil {
		return nil, err
	}
	set := connectortest.NewNopSettings(component.MustNewType("routing"))
	ctx := client.NewContext(context.Background(), client.Info{Metadata: client.NewMetadata(headers)})
	out := delivery{}
	switch in.signal {
	case wire.Logs:
		sinks, to := map[string]*consumertest.LogsSink{}, map[otelpipeline.ID]consumer.Logs{}
		for _, n := range pipelineNames {
			sinks[n] = &consumertest.LogsSink{}
			to[otelpipeline.NewIDWithName(otelpipeline.SignalLogs, n)] = sinks[n]
		}
		c, err := factory.CreateLogsToLogs(ctx, set, cfg, connector.NewLogsRouter(to))
		if err != nil {
			return nil, err
		}
		l, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(in.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ConsumeLogs(ctx, l); err != nil {
			return nil, nil
		}
		for n, s := range sinks {
			for _, l := range s.AllLogs() {
				b, err := (&plog.ProtoMarshaler{}).MarshalLogs(l)
				out.add(t, n, in.signal, b, err)
			}
		}
	case wire.Traces:
		sinks, to := map[string]*consumertest.TracesSink{}, map[otelpipeline.ID]consumer.Traces{}
		for _, n := range pipelineNames {
			sinks[n] = &consumertest.TracesSink{}
			to[otelpipeline.NewIDWithName(otelpipeline.SignalTraces, n)] = sinks[n]
		}
		c, err := factory.CreateTracesToTraces(ctx, set, cfg, connector.NewTracesRouter(to))
		if err != nil {
			return nil, err
		}
		l, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(in.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ConsumeTraces(ctx, l); err != nil {
			return nil, nil
		}
		for n, s := range sinks {
			for _, l := range s.AllTraces() {
				b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(l)
				out.add(t, n, in.signal, b, err)
			}
		}
	default:
		sinks, to := map[string]*consumertest.MetricsSink{}, map[otelpipeline.ID]consumer.Metrics{}
		for _, n := range pipelineNames {
			sinks[n] = &consumertest.MetricsSink{}
			to[otelpipeline.NewIDWithName(otelpipeline.SignalMetrics, n)] = sinks[n]
		}
		c, err := factory.CreateMetricsToMetrics(ctx, set, cfg, connector.NewMetricsRouter(to))
		if err != nil {
			return nil, err
		}
		l, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(in.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.ConsumeMetrics(ctx, l); err != nil {
			return nil, nil
		}
		for n, s := range sinks {
			for _, l := range s.AllMetrics() {
				b, err := (&pmetric.ProtoMarshaler{}).MarshalMetrics(l)
				out.add(t, n, in.signal, b, err)
			}
		}
	}
	return out.done(), nil
}

// add adds the records of a request.
func (d delivery) add(t *testing.T, to string, s wire.Signal, body []byte, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, info, err := wire.Check(s, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range info.Items {
		one := wire.AppendItems(nil, s, r, i, i+1)
		var tree any
		switch s {
		case wire.Logs:
			l, _ := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(one)
			tree = decodeLogs(t, l)
		case wire.Traces:
			l, _ := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(one)
			tree = decodeTraces(t, l)
		default:
			l, _ := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(one)
			l.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Metadata().Clear() // contrib loses it with a data point
			tree = decodeMetrics(t, l)
		}
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		d[to] = append(d[to], string(text))
	}
}

// done sorts, and takes out what came twice: contrib gives a pipeline a record as often as routes copy it there.
func (d delivery) done() delivery {
	for to := range d {
		slices.Sort(d[to])
		d[to] = slices.Compact(d[to])
	}
	return d
}

// ourRouting runs our routing connector.
func ourRouting(t *testing.T, config map[string]any, in telemetry) (delivery, error) {
	t.Helper()
	cfg := routing.Default()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	sinks := map[string]*pipelinetest.Recorder{}
	var ids []pipeline.ID
	for _, n := range pipelineNames {
		sinks[n] = &pipelinetest.Recorder{}
		ids = append(ids, pipeline.ID{Type: in.signal.String(), Name: n})
	}
	out := pipeline.Outputs{}.Choosing(ids, func(chosen ...pipeline.ID) (pipeline.Sink, error) {
		for _, id := range chosen {
			if !slices.Contains(ids, id) {
				return nil, fmt.Errorf("there is no pipeline %s", id)
			}
		}
		return pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			for _, id := range chosen {
				if err := sinks[id.Name].Consume(ctx, b); err != nil {
					return err
				}
			}
			return nil
		}), nil
	})
	s, _ := pipelinetest.Settings(t, pipeline.KindConnector, "routing")
	s.Signal = in.signal
	c, err := routing.New(s, cfg, out)
	if err != nil {
		return nil, err
	}
	b := pipeline.Batch{Signal: in.signal, Request: in.body, Items: in.items}
	keys := (&pipeline.Config{Instances: []pipeline.Instance{{Config: cfg}}}).MetadataKeys()
	b.Origin.Metadata, _ = keys.Of(func(h string) []string { return headers[h] })
	if err := c.Consume(t.Context(), b); err != nil {
		return nil, nil
	}
	got := delivery{}
	for n, r := range sinks {
		seen := map[string]int{}
		for _, b := range r.Batches() {
			got.add(t, n, in.signal, b.Request, nil)
		}
		for _, text := range got[n] {
			if seen[text]++; seen[text] > 1 {
				t.Errorf("pipeline %s got a record twice: %s", n, text)
			}
		}
	}
	return got.done(), nil
}

func sameRouting(t *testing.T, config map[string]any, in telemetry) {
	t.Helper()
	want, wantErr := contribRouting(t, config, in)
	got, gotErr := ourRouting(t, config, in)
	if wantErr != nil || gotErr != nil {
		t.Fatalf("contrib: %v\nours: %v", wantErr, gotErr)
	}
	if reflect.DeepEqual(want, got) {
		return
	}
	for _, n := range pipelineNames {
		if !slices.Equal(want[n], got[n]) {
			t.Errorf("pipeline %s got %d records, want %d\n%v", n, len(got[n]), len(want[n]), config)
		}
	}
}

// conditionsOf are conditions with their contexts: "" is inferred.
var conditionsOf = map[wire.Signal][][2]string{
	wire.Logs: {
		{"", `attributes["service.name"] == "shop"`}, {"resource", `attributes["int"] > 100`}, {"resource", "true"}, {"log", "false"},
		{"", `log.severity_number >= SEVERITY_NUMBER_ERROR`}, {"log", `IsMatch(body, "^GET|pass")`}, {"log", `attributes["bool"] == true`},
		{"log", `resource.attributes["service.name"] == "cart" and severity_text == "INFO"`}, {"log", `scope.name == "other"`},
		{"", `log.attributes["int"] > 1000 or resource.attributes["double"] > 1.0`}, {"log", `HasPrefix(attributes["none"], "x")`},
		{"request", `request["X-Tenant"] == "second"`}, {"request", `request["x-none"] != "a"`}, {"request", `request["x-tenant"] != "acme"`},
		{"resource", `otelcol.client.metadata["X-Tenant"][0] == "acme"`}, {"", `otelcol.client.metadata["X-Tenant"][1] == "acme"`},
	},
	wire.Traces: {
		{"", `attributes["service.name"] == "shop"`}, {"span", `name == "SELECT"`}, {"", `span.kind == SPAN_KIND_SERVER`},
		{"span", `IsRootSpan()`}, {"span", `attributes["int"] > 1000 and resource.attributes["bool"] == true`},
		{"", `span.attributes["str"] == "" or resource.attributes["service.name"] == "cart"`}, {"request", `request["X-Tenant"] == "acme"`},
		{"span", `HasPrefix(attributes["none"], "x")`},
	},
	wire.Metrics: {
		{"", `attributes["service.name"] == "shop"`}, {"metric", `name == "latency"`}, {"", `metric.type == METRIC_DATA_TYPE_SUM`},
		{"datapoint", `attributes["int"] > 1000`}, {"", `datapoint.attributes["bool"] == true and metric.name != "cpu_usage"`},
		{"datapoint", `value_int > 3`}, {"metric", `resource.attributes["int"] == 200`}, {"datapoint", `HasPrefix(attributes["none"], "x")`},
		{"request", `request["X-Tenant"] == "none"`},
	},
}

// TestRoutingOneRoute: each condition alone, moved and copied, as a condition and as a statement.
func TestRoutingOneRoute(t *testing.T) {
	for s, conditions := range conditionsOf {
		in := signals[s].make(t)
		for _, c := range conditions {
			for _, action := range []string{"", "move", "copy"} {
				t.Run(fmt.Sprint(s, " ", c, action), func(t *testing.T) {
					route := map[string]any{"context": c[0], "condition": c[1], "pipelines": []any{s.String() + "/a", s.String() + "/b"}}
					if action != "" {
						route["action"] = action
					}
					sameRouting(t, map[string]any{"table": []any{route}, "default_pipelines": []any{s.String() + "/other"}}, in)
					if c[0] != "request" {
						delete(route, "condition")
						route["statement"] = "route() where " + c[1]
						sameRouting(t, map[string]any{"table": []any{route}}, in)
					}
				})
			}
		}
	}
}

// TestRoutingTables: generated tables, of several contexts and actions, in every error mode.
func TestRoutingTables(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for s, conditions := range conditionsOf {
		in := signals[s].make(t)
		for i := range 150 {
			t.Run(fmt.Sprint(s, i), func(t *testing.T) {
				pipelines := func() []any {
					var out []any
					for _, n := range pipelineNames {
						if r.IntN(2) == 0 {
							out = append(out, s.String()+"/"+n)
						}
					}
					if out == nil {
						out = []any{s.String() + "/b"}
					}
					return out
				}
				var table []any
				seen := map[[2]string]bool{} // contrib ignores a condition that is there already
				for range 1 + r.IntN(5) {
					c := conditions[r.IntN(len(conditions))]
					if seen[c] {
						continue
					}
					seen[c] = true
					table = append(table, map[string]any{"context": c[0], "condition": c[1], "pipelines": pipelines(), "action": []string{"move", "copy"}[r.IntN(2)]})
				}
				config := map[string]any{"table": table, "error_mode": []string{"ignore", "silent", "propagate"}[r.IntN(3)]}
				if r.IntN(3) > 0 {
					config["default_pipelines"] = pipelines()
				}
				sameRouting(t, config, in)
			})
		}
	}
}

// TestRoutingFaults: what contrib refuses, so do we.
func TestRoutingFaults(t *testing.T) {
	to := []any{"logs/a"}
	for name, table := range map[string][]any{
		"empty":              {},
		"no condition":       {map[string]any{"pipelines": to}},
		"both":               {map[string]any{"condition": "true", "statement": "route()", "context": "log", "pipelines": to}},
		"no pipelines":       {map[string]any{"condition": "true", "context": "log"}},
		"unknown action":     {map[string]any{"condition": "true", "context": "log", "pipelines": to, "action": "split"}},
		"unknown context":    {map[string]any{"condition": "true", "context": "body", "pipelines": to}},
		"unknown pipeline":   {map[string]any{"condition": "true", "context": "log", "pipelines": []any{"logs/x"}}},
		"request, statement": {map[string]any{"statement": `route() where request["a"] == "b"`, "context": "request", "pipelines": to}},
		"request, less":      {map[string]any{"condition": `request["a"] < "b"`, "context": "request", "pipelines": to}},
		"not a condition":    {map[string]any{"condition": `body`, "context": "log", "pipelines": to}},
	} {
		t.Run(name, func(t *testing.T) {
			config := map[string]any{"table": table}
			_, want := contribRouting(t, config, logs(t))
			_, got := ourRouting(t, config, logs(t))
			if want == nil || got == nil {
				t.Errorf("contrib: %v\nours: %v", want, got)
			}
		})
	}
}

// contribCount runs contrib's count connector.
func contribCount(t *testing.T, config map[string]any, in telemetry) (any, error) {
	t.Helper()
	factory := countconnector.NewFactory()
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if err := cfg.(interface{ Validate() error }).Validate(); err != nil {
		return nil, err
	}
	set := connectortest.NewNopSettings(component.MustNewType("count"))
	sink := &consumertest.MetricsSink{}
	ctx := t.Context()
	var answer error
	switch in.signal {
	case wire.Logs:
		c, err := factory.CreateLogsToMetrics(ctx, set, cfg, sink)
		if err != nil {
			return nil, err
		}
		l, _ := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(in.body)
		answer = c.ConsumeLogs(ctx, l)
	case wire.Traces:
		c, err := factory.CreateTracesToMetrics(ctx, set, cfg, sink)
		if err != nil {
			return nil, err
		}
		l, _ := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(in.body)
		answer = c.ConsumeTraces(ctx, l)
	default:
		c, err := factory.CreateMetricsToMetrics(ctx, set, cfg, sink)
		if err != nil {
			return nil, err
		}
		l, _ := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(in.body)
		answer = c.ConsumeMetrics(ctx, l)
	}
	if answer != nil {
		return "refused", nil
	}
	return counted(t, sink.AllMetrics()), nil
}

// counted are counts without what is ours: their order, the scope's name, and the time where records have none.
func counted(t *testing.T, all []pmetric.Metrics) any {
	out := []string{}
	for _, md := range all {
		for i, rm := range md.ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					for _, p := range m.Sum().DataPoints().All() {
						start, end := p.StartTimestamp(), p.Timestamp()
						if start == end && end > 1750000000000000000 {
							start, end = 0, 0 // now
						}
						attributes, err := json.Marshal(p.Attributes().AsRaw())
						if err != nil {
							t.Fatal(err)
						}
						resource, err := json.Marshal(rm.Resource().Attributes().AsRaw())
						if err != nil {
							t.Fatal(err)
						}
						out = append(out, fmt.Sprint(i, string(resource), sm.Scope().Attributes().AsRaw(), m.Name(), m.Description(), m.Unit(), m.Type(), m.Sum().AggregationTemporality(), m.Sum().IsMonotonic(),
							string(attributes), p.ValueType(), p.IntValue(), start, end))
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func ourCount(t *testing.T, config map[string]any, in telemetry) (any, error) {
	t.Helper()
	cfg := count.Default()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindConnector, "count")
	s.Signal = in.signal
	var sink pipelinetest.Recorder
	c, err := count.New(s, cfg, pipeline.OutputsTo(&sink, pipeline.Metrics))
	if err != nil {
		return nil, err
	}
	if err := c.Consume(t.Context(), pipeline.Batch{Signal: in.signal, Request: in.body, Items: in.items}); err != nil {
		return "refused", nil
	}
	var all []pmetric.Metrics
	for _, b := range sink.Batches() {
		checked, info, err := wire.Check(wire.Metrics, b.Request, wire.Limits{})
		if err != nil || string(checked) != string(b.Request) || info.Items != b.Items {
			t.Errorf("no canonical OTLP with %d points: %v", b.Items, err)
		}
		m, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b.Request)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return counted(t, all), nil
}

// TestCount: generated counts of every kind.
func TestCount(t *testing.T) {
	sections := map[wire.Signal]map[string][]string{
		wire.Logs:   {"logs": {`severity_number >= SEVERITY_NUMBER_ERROR`, `IsMatch(body, "GET")`, `attributes["bool"] == true`, `log.attributes["int"] > 600`}},
		wire.Traces: {"spans": {`name == "SELECT"`, `attributes["int"] > 400`, `kind == SPAN_KIND_SERVER`}, "spanevents": {`name == "exception"`, `span.name == "SELECT"`, `attributes["int"] == 0`}},
		wire.Metrics: {"metrics": {`name == "latency"`, `type == METRIC_DATA_TYPE_SUM`, `resource.attributes["int"] == 200`},
			"datapoints": {`attributes["int"] > 600`, `metric.name == "http.requests"`, `attributes["bool"] == true`}},
	}
	attributes := []any{
		map[string]any{"key": "str"}, map[string]any{"key": "bool"}, map[string]any{"key": "bool", "default_value": true}, map[string]any{"key": "service.name"},
		map[string]any{"key": "scope.key", "default_value": "none"}, map[string]any{"key": "none", "default_value": 1.5}, map[string]any{"key": "none"},
		map[string]any{"key": "map", "default_value": 3}, map[string]any{"key": "int"},
	}
	r := rand.New(rand.NewPCG(5, 6))
	for s, kinds := range sections {
		in := signals[s].make(t)
		run := func(name string, config map[string]any) {
			t.Run(fmt.Sprint(s, " ", name), func(t *testing.T) {
				want, wantErr := contribCount(t, config, in)
				got, gotErr := ourCount(t, config, in)
				if wantErr != nil || gotErr != nil {
					t.Fatalf("contrib: %v\nours: %v", wantErr, gotErr)
				}
				if !reflect.DeepEqual(want, got) {
					t.Errorf("%v\n%s", config, strings.ReplaceAll(difference("", toAny(want), toAny(got)), `\n`, "\n"))
				}
			})
		}
		run("default", map[string]any{})
		for i := range 60 {
			config := map[string]any{}
			for section, conditions := range kinds {
				metrics := map[string]any{}
				for m := range r.IntN(4) {
					one := map[string]any{"description": []string{"", "what it is"}[r.IntN(2)]}
					var when []any
					for range r.IntN(3) {
						when = append(when, conditions[r.IntN(len(conditions))])
					}
					one["conditions"] = when
					if section != "metrics" {
						var by []any
						names := map[any]bool{}
						for range r.IntN(4) {
							a := attributes[r.IntN(len(attributes))]
							if key := a.(map[string]any)["key"]; !names[key] {
								names[key] = true
								by = append(by, a)
							}
						}
						one["attributes"] = by
					}
					metrics[fmt.Sprint("count.", m)] = one
				}
				if len(metrics) > 0 {
					config[section] = metrics
				}
			}
			run(fmt.Sprint(i), config)
		}
	}
}

func toAny(v any) any {
	list, ok := v.([]string)
	if !ok {
		return v
	}
	var out []any
	for _, s := range list {
		out = append(out, s)
	}
	return out
}
