package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/attributesprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/filterprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/groupbyattrsprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/probabilisticsamplerprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/resourceprocessor"
	"github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor"
	"go.opentelemetry.io/collector/client"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processortest"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	ourattributes "github.com/sluiceio/sluice/processors/attributes"
	"github.com/sluiceio/sluice/processors/filter"
	"github.com/sluiceio/sluice/processors/groupbyattrs"
	"github.com/sluiceio/sluice/processors/probabilisticsampler"
	"github.com/sluiceio/sluice/processors/redaction"
	ourresource "github.com/sluiceio/sluice/processors/resource"
	"github.com/sluiceio/sluice/processors/transform"
	"github.com/sluiceio/sluice/wire"
)

// A telemetry is a request in both worlds.
type telemetry struct {
	signal wire.Signal
	body   []byte
	items  int
}

// contrib runs contrib's processor and returns what comes out, as comparable JSON.
func contrib(t *testing.T, typ string, config map[string]any, in telemetry) (any, error) {
	t.Helper()
	factory := map[string]processor.Factory{"transform": transformprocessor.NewFactory(), "filter": filterprocessor.NewFactory(), "attributes": attributesprocessor.NewFactory(),
		"probabilistic_sampler": probabilisticsamplerprocessor.NewFactory(), "resource": resourceprocessor.NewFactory(), "redaction": redactionprocessor.NewFactory(),
		"groupbyattrs": groupbyattrsprocessor.NewFactory()}[typ]
	cfg := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if v, has := cfg.(interface{ Validate() error }); has {
		if err := v.Validate(); err != nil {
			return nil, err
		}
	}
	set := processortest.NewNopSettings(component.MustNewType(typ))
	ctx := client.NewContext(context.Background(), client.Info{
		Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 55}, Metadata: client.NewMetadata(headers),
	})
	switch in.signal {
	case wire.Logs:
		sink := &consumertest.LogsSink{}
		p, err := factory.CreateLogs(ctx, set, cfg, sink)
		if err != nil {
			return nil, err
		}
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(in.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ConsumeLogs(ctx, ld); err != nil {
			return "refused", nil
		}
		out := plog.NewLogs()
		for _, l := range sink.AllLogs() {
			l.ResourceLogs().MoveAndAppendTo(out.ResourceLogs())
		}
		return decodeLogs(t, out), nil
	case wire.Traces:
		sink := &consumertest.TracesSink{}
		p, err := factory.CreateTraces(ctx, set, cfg, sink)
		if err != nil {
			return nil, err
		}
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(in.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.ConsumeTraces(ctx, td); err != nil {
			return "refused", nil
		}
		out := ptrace.NewTraces()
		for _, l := range sink.AllTraces() {
			l.ResourceSpans().MoveAndAppendTo(out.ResourceSpans())
		}
		return decodeTraces(t, out), nil
	}
	sink := &consumertest.MetricsSink{}
	p, err := factory.CreateMetrics(ctx, set, cfg, sink)
	if err != nil {
		return nil, err
	}
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(in.body)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ConsumeMetrics(ctx, md); err != nil {
		return "refused", nil
	}
	out := pmetric.NewMetrics()
	for _, l := range sink.AllMetrics() {
		l.ResourceMetrics().MoveAndAppendTo(out.ResourceMetrics())
	}
	return decodeMetrics(t, out), nil
}

// ours runs our processor and returns what comes out, as contrib.
func ours(t *testing.T, typ string, config map[string]any, in telemetry) (any, error) {
	t.Helper()
	out, err := through(t, typ, config, in)
	if err != nil {
		return nil, err
	}
	if out == nil {
		return "refused", nil
	}
	switch in.signal {
	case wire.Logs:
		ld, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(out)
		if err != nil {
			t.Fatal(err)
		}
		return decodeLogs(t, ld), nil
	case wire.Traces:
		td, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(out)
		if err != nil {
			t.Fatal(err)
		}
		return decodeTraces(t, td), nil
	}
	md, err := (&pmetric.ProtoUnmarshaler{}).UnmarshalMetrics(out)
	if err != nil {
		t.Fatal(err)
	}
	return decodeMetrics(t, md), nil
}

// through is the request behind our processor, nil if it is refused.
func through(t *testing.T, typ string, config map[string]any, in telemetry) ([]byte, error) {
	t.Helper()
	var c pipeline.Component
	switch typ {
	case "transform":
		c = transform.Component()
	case "filter":
		c = filter.Component()
	case "attributes":
		c = ourattributes.Component()
	case "resource":
		c = ourresource.Component()
	case "probabilistic_sampler":
		c = probabilisticsampler.Component()
	case "groupbyattrs":
		c = groupbyattrs.Component()
	case "redaction":
		c = redaction.Component()
	}
	cfg := c.Default()
	if err := confmap.NewFromStringMap(config).Unmarshal(cfg); err != nil {
		return nil, err
	}
	if err := cfg.(interface{ Validate() error }).Validate(); err != nil {
		return nil, err
	}
	sink := &pipelinetest.Recorder{}
	s, ledger := pipelinetest.Settings(t, pipeline.KindProcessor, typ)
	p, err := c.NewProcessor(s, cfg, sink)
	if err != nil {
		return nil, err
	}
	batch := pipeline.Batch{Signal: in.signal, Request: in.body, Items: in.items, Origin: pipeline.Origin{Peer: "10.1.2.3:55"}}
	keys := (&pipeline.Config{Instances: []pipeline.Instance{{Config: cfg}}}).MetadataKeys()
	batch.Origin.Metadata, _ = keys.Of(func(h string) []string { return headers[h] })
	if err := p.Consume(t.Context(), batch); err != nil {
		return nil, nil
	}
	left := 0
	for _, b := range sink.Batches() {
		left += b.Items
		if n := wire.Count(in.signal, b.Request); n != b.Items {
			t.Errorf("%d items handed on, %d said", n, b.Items)
		}
	}
	if n := ledger.Unaccounted(); n != int64(in.items-left) { // the test books no intake, so that drops stand alone
		t.Errorf("%d dropped, want %d", n, in.items-left)
	}
	out := []byte{}
	for _, b := range sink.Batches() {
		out = append(out, b.Request...)
	}
	checked, _, err := wire.Check(in.signal, out, wire.Limits{})
	if err != nil || string(checked) != string(out) {
		t.Errorf("the result is not canonical OTLP: %v", err)
	}
	return out, nil
}

func decodeLogs(t *testing.T, l plog.Logs) any {
	b, err := (&plog.JSONMarshaler{}).MarshalLogs(l)
	return tree(t, b, err)
}

func decodeTraces(t *testing.T, l ptrace.Traces) any {
	b, err := (&ptrace.JSONMarshaler{}).MarshalTraces(l)
	return tree(t, b, err)
}

func decodeMetrics(t *testing.T, l pmetric.Metrics) any {
	b, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(l)
	return tree(t, b, err)
}

// tree is decoded JSON with the entries of maps sorted, since those that ParseJSON or a map literal makes have no order.
func tree(t *testing.T, b []byte, err error) any {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	order(out)
	return out
}

func order(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			order(e)
		}
	case []any:
		for _, e := range v {
			order(e)
		}
		key := func(e any) string {
			m, _ := e.(map[string]any)
			k, _ := m["key"].(string)
			return k
		}
		slices.SortStableFunc(v, func(a, b any) int { return strings.Compare(key(a), key(b)) })
	}
}

// same fails unless both worlds give the same. It returns false if both refuse the configuration, which says little.
func same(t *testing.T, typ string, config map[string]any, in telemetry) bool {
	t.Helper()
	want, wantErr := contrib(t, typ, config, in)
	got, gotErr := ours(t, typ, config, in)
	switch {
	case wantErr != nil && gotErr != nil:
		return false
	case wantErr != nil:
		t.Errorf("contrib refuses the configuration, ours takes it: %v", wantErr)
	case gotErr != nil:
		t.Errorf("contrib takes the configuration, ours refuses it: %v", gotErr)
	case !reflect.DeepEqual(want, got):
		t.Errorf("different:\n%s", difference("", want, got))
	}
	return true
}

// difference names the places where two trees differ.
func difference(at string, want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			break
		}
		var b strings.Builder
		keys := map[string]bool{}
		for k := range w {
			keys[k] = true
		}
		for k := range g {
			keys[k] = true
		}
		for k := range keys {
			b.WriteString(difference(at+"."+k, w[k], g[k]))
		}
		return b.String()
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			break
		}
		var b strings.Builder
		for i := range w {
			b.WriteString(difference(fmt.Sprintf("%s[%d]", at, i), w[i], g[i]))
		}
		return b.String()
	}
	if reflect.DeepEqual(want, got) {
		return ""
	}
	show := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	return fmt.Sprintf("%s:\n  contrib %s\n  ours    %s\n", at, show(want), show(got))
}
