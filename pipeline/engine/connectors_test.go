package engine

import (
	"testing"

	"github.com/sluiceio/sluice/connectors/count"
	"github.com/sluiceio/sluice/connectors/routing"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// threeServices is a request with a record of each of the services a, b and c.
func threeServices() pipeline.Batch {
	var b []byte
	for _, service := range []string{"a", "b", "c"} {
		var x, resource, scope int
		b, x = wire.BeginMessage(b, wire.FieldRequestResource)
		b, resource = wire.BeginMessage(b, wire.FieldResourceXResource)
		b = wire.EndMessage(wire.AppendStringAttribute(b, wire.FieldResourceAttributes, "service", service), resource)
		b, scope = wire.BeginMessage(b, wire.FieldResourceXScope)
		b = wire.AppendBytes(b, wire.FieldScopeXItem, wire.AppendFixed64(nil, wire.FieldLogTime, 1))
		b = wire.EndMessage(wire.EndMessage(b, scope), x)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: b, Items: 3}
}

// TestTheLedgerClosesOverRouting: records that are copied, moved and unrouted.
func TestTheLedgerClosesOverRouting(t *testing.T) {
	c := routing.Default()
	c.Table = []routing.Route{
		{Condition: `resource.attributes["service"] == "a"`, Pipelines: []string{"logs/a"}, Action: "copy"},
		{Condition: `resource.attributes["service"] != "c"`, Pipelines: []string{"logs/b"}},
	}
	s, in := joiner(t, func(s pipeline.Settings, _ *fakeConfig, o pipeline.Outputs) (pipeline.Sink, error) {
		return routing.New(s, c, o)
	}, pipeline.SameSignal()...)
	if err := in.Consume(t.Context(), threeServices()); err != nil {
		t.Error(err)
	}
	for _, a := range s.Ledger().Read() {
		if a.Component != "connector/join" {
			continue
		}
		want := map[string]int64{"": 2, "logs/a": 1, "logs/b": 2}[a.Pipeline]
		if a.Out.Items != want || a.Pipeline == "" && a.Dropped[pipeline.DropUnrouted].Items != 1 {
			t.Errorf("the account of %q is %+v", a.Pipeline, a)
		}
	}
	if gap := s.Ledger().Unaccounted(); gap != 0 {
		t.Errorf("the ledger does not close by %d", gap)
	}
}

// TestTheLedgerClosesOverCount: what is counted ends at the connector, the counts begin there.
func TestTheLedgerClosesOverCount(t *testing.T) {
	s, in := joiner(t, func(s pipeline.Settings, _ *fakeConfig, o pipeline.Outputs) (pipeline.Sink, error) {
		return count.New(s, count.Default(), o)
	}, pipeline.Way{From: pipeline.Logs, To: pipeline.Logs}, pipeline.Way{From: pipeline.Logs, To: pipeline.Metrics})
	if err := in.Consume(t.Context(), threeServices()); err != nil {
		t.Error(err)
	}
	for _, a := range s.Ledger().Read() {
		if a.Component == "connector/join" && a.Pipeline == "" && a.Dropped[pipeline.DropAggregated].Items != 3 {
			t.Errorf("the connector's account is %+v", a)
		}
		if a.Component == "exporter/out/m" && a.Signal == pipeline.Metrics && a.Delivered.Items != 3 {
			t.Errorf("the metrics pipeline delivered %d, want a count for each service", a.Delivered.Items)
		}
	}
	if gap := s.Ledger().Unaccounted(); gap != 0 {
		t.Errorf("the ledger does not close by %d", gap)
	}
}
