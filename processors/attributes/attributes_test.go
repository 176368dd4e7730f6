package attributes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestCases runs testdata/*.txtar: config, in and want (OTLP/JSON of logs), or error (of the validation). The oracle has more.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			part := map[string]string{}
			for _, f := range txtar.Parse(text).Files {
				part[f.Name] = string(f.Data)
			}
			var m map[string]any
			if err := yaml.Unmarshal([]byte(part["config"]), &m); err != nil {
				t.Fatal(err)
			}
			c := Default()
			if err := confmap.NewFromStringMap(m).Unmarshal(c); err != nil {
				t.Fatal(err)
			}
			if err := c.Validate(); err != nil || part["error"] != "" {
				if err == nil || err.Error()+"\n" != part["error"] {
					t.Fatalf("got\n%v\nwant\n%s", err, part["error"])
				}
				return
			}
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
			if err := p.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: in, Items: ld.LogRecordCount()}); err != nil {
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
}
