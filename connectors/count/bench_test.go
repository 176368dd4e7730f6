package count

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkConsume counts 1,000 logs.
func BenchmarkConsume(b *testing.B) {
	l := plog.NewLogs()
	rl := l.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("service.name", "shop")
	records := rl.ScopeLogs().AppendEmpty().LogRecords()
	for i := range 1000 {
		r := records.AppendEmpty()
		r.SetTimestamp(1)
		r.SetSeverityNumber(plog.SeverityNumber(i % 20))
		r.Body().SetStr("a message of an application, of about the length that messages have")
		r.Attributes().PutStr("level", fmt.Sprint(i%5))
	}
	body, err := plogotlp.NewExportRequestFromLogs(l).MarshalProto()
	if err != nil {
		b.Fatal(err)
	}
	in := pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1000}
	for _, c := range []struct{ name, config string }{
		{"all", `{}`},
		{"condition", `logs: {errors: {conditions: ['severity_number >= SEVERITY_NUMBER_ERROR']}}`},
		{"by attribute", `logs: {levels: {attributes: [{key: level}, {key: service.name}]}}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			connector, _ := connectorOf(b, configOf(b, c.config), pipeline.Logs, &pipelinetest.Counter{})
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
