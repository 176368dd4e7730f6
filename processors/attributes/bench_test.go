package attributes

import (
	"fmt"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkConsume changes 1,000 logs: an upsert, and a rename by two actions.
func BenchmarkConsume(b *testing.B) {
	l := plog.NewLogs()
	records := l.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords()
	for i := range 1000 {
		r := records.AppendEmpty()
		r.SetTimestamp(1)
		r.Body().SetStr("a message of an application, of about the length that messages have in the field, or somewhat longer than that")
		r.Attributes().PutStr("http.request.method", "GET")
		r.Attributes().PutStr("url.path", fmt.Sprintf("/api/v1/orders/%d", i))
		r.Attributes().PutInt("http.response.status_code", 200)
		r.Attributes().PutDouble("duration_ms", 1.5)
		r.Attributes().PutStr("client.address", "10.0.0.1")
		r.Attributes().PutStr("thread", "worker-7")
	}
	body, err := plogotlp.NewExportRequestFromLogs(l).MarshalProto()
	if err != nil {
		b.Fatal(err)
	}
	s, _ := pipelinetest.Settings(b, pipeline.KindProcessor, "attributes")
	c := Default()
	c.Actions = []Action{
		{Key: "environment", Value: "production", Action: "upsert"},
		{Key: "http.route", FromAttribute: "url.path", Action: "insert"},
		{Key: "url.path", Action: "delete"},
	}
	p, err := New(s, c, &pipelinetest.Counter{})
	if err != nil {
		b.Fatal(err)
	}
	in := pipeline.Batch{Signal: pipeline.Logs, Request: body, Items: 1000}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Consume(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(in.Items), "ns/item")
	b.ReportMetric(float64(len(in.Request)/in.Items), "B/item")
}
