package count

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func configOf(t testing.TB, text string) *Config {
	t.Helper()
	return pipelinetest.Decode(t, Default(), text)
}

func connectorOf(t testing.TB, c *Config, s pipeline.Signal, next pipeline.Sink) (pipeline.Sink, *ledger.Ledger) {
	t.Helper()
	settings, l := pipelinetest.Settings(t, pipeline.KindConnector, "count")
	settings.Signal = s
	sink, err := New(settings, c, pipeline.OutputsTo(next, pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	sink.(*Connector).now = func() time.Time { return time.Unix(9, 0) }
	return sink, l
}

// fromJSON is OTLP/JSON as a batch.
func fromJSON(t testing.TB, s pipeline.Signal, text string) pipeline.Batch {
	t.Helper()
	var body []byte
	var err error
	switch s {
	case pipeline.Logs:
		var l plog.Logs
		if l, err = (&plog.JSONUnmarshaler{}).UnmarshalLogs([]byte(text)); err == nil {
			body, err = plogotlp.NewExportRequestFromLogs(l).MarshalProto()
		}
	case pipeline.Traces:
		var l ptrace.Traces
		if l, err = (&ptrace.JSONUnmarshaler{}).UnmarshalTraces([]byte(text)); err == nil {
			body, err = ptraceotlp.NewExportRequestFromTraces(l).MarshalProto()
		}
	default:
		var l pmetric.Metrics
		if l, err = (&pmetric.JSONUnmarshaler{}).UnmarshalMetrics([]byte(text)); err == nil {
			body, err = pmetricotlp.NewExportRequestFromMetrics(l).MarshalProto()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: s, Request: body, Items: wire.Count(s, body)}
}

// dump is counts as lines: RESOURCE: METRIC{ATTRIBUTES} VALUE from START to END, and the descriptions.
func dump(t testing.TB, b pipeline.Batch) string {
	t.Helper()
	checked, info, err := wire.Check(wire.Metrics, b.Request, wire.Limits{})
	if err != nil || info.Items != b.Items || string(checked) != string(b.Request) {
		t.Fatalf("no canonical OTLP of %d points: %v", b.Items, err)
	}
	all, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(b.Request)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, rm := range all.ResourceMetrics().All() {
		for _, m := range rm.ScopeMetrics().At(0).Metrics().All() {
			if m.Sum().AggregationTemporality() != pmetric.AggregationTemporalityDelta || !m.Sum().IsMonotonic() {
				t.Errorf("%s is no monotonic delta sum", m.Name())
			}
			for _, p := range m.Sum().DataPoints().All() {
				fmt.Fprintf(&out, "%v: %s %v %d from %d to %d\n", rm.Resource().Attributes().AsRaw(), m.Name(), p.Attributes().AsRaw(), p.IntValue(), p.StartTimestamp(), p.Timestamp())
			}
			if m.Description() != "" {
				fmt.Fprintf(&out, "  %s\n", m.Description())
			}
		}
	}
	return out.String()
}

// TestCases runs testdata/*.txtar: config, in.SIGNAL (OTLP/JSON) and want (see dump), or error (of the validation).
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		for _, s := range pipeline.Signals {
			in := part["in."+s.String()]
			if in == "" {
				continue
			}
			var sink pipelinetest.Recorder
			connector, l := connectorOf(t, c, s, &sink)
			b := fromJSON(t, s, in)
			for range 2 { // what is reused counts nothing twice
				if err := connector.Consume(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if n := l.Unaccounted(); n != int64(2*b.Items) { // the test books no intake
				t.Errorf("%d dropped as aggregated, want %d", n, 2*b.Items)
			}
			for _, b := range sink.Batches() {
				if got := dump(t, b); got != part["want"] {
					t.Errorf("got\n%s\nwant\n%s", got, part["want"])
				}
			}
			if len(sink.Batches()) == 0 && part["want"] != "" {
				t.Error("nothing was counted")
			}
		}
	})
}

// TestProfilesAreAWarning: a file that counts them for another collector loads.
func TestProfilesAreAWarning(t *testing.T) {
	c := configOf(t, `{logs: {x: {}}, profiles: {y: {conditions: ['true']}}}`)
	if err := c.Validate(); err != nil || len(c.Warnings()) != 1 || len(Default().Warnings()) != 0 {
		t.Errorf("%v, warnings %v", err, c.Warnings())
	}
}

const oneLog = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}},{"body":{"stringValue":"y"}}]}]}]}`

// TestTheAnswer: counts that are refused make the batch refused, since it has to be counted again.
func TestTheAnswer(t *testing.T) {
	answer := error(nil)
	next := pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return answer })
	connector, _ := connectorOf(t, Default(), pipeline.Logs, next)
	in := fromJSON(t, pipeline.Logs, oneLog)
	if err := connector.Consume(t.Context(), in); err != nil {
		t.Error(err)
	}
	answer = pipeline.Refuse(time.Second, errors.New("busy"))
	if ref, is := pipeline.AsRefused(connector.Consume(t.Context(), in)); !is || ref.After != time.Second {
		t.Errorf("got %v", ref)
	}
	answer = pipeline.Reject(0, pipeline.DropUnsupported, errors.New("delta"))
	if rej, is := pipeline.AsRejected(connector.Consume(t.Context(), in)); !is || rej.Reason != pipeline.DropUnsupported {
		t.Errorf("got %v", rej)
	}
}

// TestAFailedCondition rejects the batch, as in contrib.
func TestAFailedCondition(t *testing.T) {
	var sink pipelinetest.Counter
	connector, _ := connectorOf(t, configOf(t, `logs: {x: {conditions: ['HasPrefix(attributes["none"], "x")']}}`), pipeline.Logs, &sink)
	if _, is := pipeline.AsRejected(connector.Consume(t.Context(), fromJSON(t, pipeline.Logs, oneLog))); !is || sink.Items.Load() != 0 {
		t.Error("it was counted")
	}
}

func TestNoPipelineOfMetrics(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindConnector, "count")
	s.Signal = pipeline.Logs
	if _, err := New(s, Default(), pipeline.Outputs{}); err == nil {
		t.Error("built with nothing behind it")
	}
}

// TestREADME: the example of README.md is a configuration that can be used, and every key has its row.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(text), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	var file struct {
		Connectors map[string]map[string]any
	}
	if err := yaml.Unmarshal([]byte(example), &file); err != nil || len(file.Connectors) != 1 {
		t.Fatalf("no example: %v", err)
	}
	c := Default()
	if err := confmap.NewFromStringMap(file.Connectors["count"]).Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"spans", "spanevents", "metrics", "datapoints", "logs", "description", "conditions", "attributes"} {
		if !strings.Contains(string(text), "`"+key) {
			t.Errorf("README.md has no row for %q", key)
		}
	}
}
