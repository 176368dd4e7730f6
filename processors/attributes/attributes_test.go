package attributes

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestCases runs testdata/*.txtar: config, in and want (OTLP/JSON of logs), or error (of the validation). The oracle has more.
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		sink := &pipelinetest.Recorder{}
		s, _ := pipelinetest.Settings(t, pipeline.KindProcessor, "attributes")
		p, err := New(s, c, sink)
		if err != nil {
			t.Fatal(err)
		}
		ld, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs([]byte(part["in"]))
		if err != nil {
			t.Fatal(err)
		}
		in, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
		if err != nil {
			t.Fatal(err)
		}
		b := pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: ld.LogRecordCount()}
		headers := (&pipeline.Config{Instances: []pipeline.Instance{{Config: c}}}).MetadataKeys()
		b.Origin.Metadata, _ = headers.Of(func(string) []string { return []string{"acme"} })
		if err := p.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		out, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(sink.Batches()[0].Request)
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&plog.JSONMarshaler{}).MarshalLogs(out)
		if err != nil {
			t.Fatal(err)
		}
		if string(got)+"\n" != part["want"] {
			t.Errorf("got\n%s\nwant\n%s", got, part["want"])
		}
	})
}
