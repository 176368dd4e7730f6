package otlp

import (
	"testing"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// BenchmarkHTTP is one request of 1,000 logs from a client on the same machine to a counting sink; the client's
// share is in the figure.
func BenchmarkHTTP(b *testing.B) {
	for _, enc := range []string{"", "gzip", "zstd"} {
		b.Run("encoding="+enc, func(b *testing.B) {
			sink := &pipelinetest.Counter{}
			srv := start(b, sink, nil)
			body := compress(b, enc, encoded(b, plogotlp.NewExportRequestFromLogs(sampleLogs(1000))))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if res := post(b, srv.http+"/v1/logs", typeProtobuf, enc, body); res.code != 200 {
					b.Fatal(res)
				}
			}
			if sink.Items.Load() != 1000*sink.Requests.Load() {
				b.Fatal("items are missing")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(sink.Items.Load()), "ns/log")
		})
	}
}

// BenchmarkTake is the receiver's own work behind the framing: check, deadline, hand on.
func BenchmarkTake(b *testing.B) {
	srv := &intake{timeout: defaultRequestTimeout}
	srv.out = outputs(&pipelinetest.Counter{})
	body := encoded(b, plogotlp.NewExportRequestFromLogs(sampleLogs(1000)))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := srv.take(b.Context(), wire.Logs, body, pipeline.Origin{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/log")
}
