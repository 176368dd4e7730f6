package routing

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkConsume routes 1,000 logs of 10 resources to two pipelines.
func BenchmarkConsume(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "svc%d %s a message of an application, of about the length that messages have: %d\n", i/100, []string{"info", "error"}[i%2], i)
	}
	in := lines(text.String())
	for _, c := range []struct{ name, table string }{
		{"resource", `[{condition: 'attributes["service.name"] == "svc3"', pipelines: [logs/a]}, {condition: 'attributes["service.name"] == "svc7"', pipelines: [logs/a]}]`},
		{"all to one", `[{condition: 'attributes["service.name"] == "none"', pipelines: [logs/a]}]`},
		{"log", `[{condition: 'log.attributes["level"] == "error"', pipelines: [logs/a]}]`},
		{"log copied", `[{context: resource, condition: "true", pipelines: [logs/a], action: copy}, {condition: 'IsMatch(log.body, "7$")', pipelines: [logs/b]}]`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var counter pipelinetest.Counter
			connector, _ := connectorOf(b, configOf(b, "{default_pipelines: [logs/b], table: "+c.table+"}"), pipeline.Logs, behind{"logs/a": &counter, "logs/b": &counter})
			b.ReportAllocs()
			for b.Loop() {
				if err := connector.Consume(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(in.Items), "ns/item")
			b.ReportMetric(float64(len(in.Request)/in.Items), "B/item")
		})
	}
}
