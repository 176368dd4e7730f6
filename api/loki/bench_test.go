package loki

import (
	"testing"
	"time"

	"github.com/sluiceio/sluice/store/logs"
	"github.com/sluiceio/sluice/store/logs/logstest"
)

// BenchmarkQuery runs queries over 200,000 rows of a little more than three minutes.
func BenchmarkQuery(b *testing.B) {
	dir := b.TempDir()
	s, _ := open(b, dir, logs.Options{})
	start := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	for i := range 200 {
		put(b, s, logstest.Sample(b, start.Add(time.Duration(i)*time.Second)))
	}
	if err := s.Close(); err != nil { // everything is on disk
		b.Fatal(err)
	}
	_, api := open(b, dir, logs.Options{})
	from, to := start.Format(time.RFC3339), start.Add(200*time.Second).Format(time.RFC3339)
	for _, q := range []struct{ name, query string }{
		{"newest 100 lines", `{service_name="checkout"}`},
		{"rare words", `{service_name="checkout"} |= "order 99" |= "took 9 ms"`},
		{"label", `{service_name="checkout"} | order_id="o-00104729"`},
		{"expression", `{service_name="checkout"} |~ "order 9[0-9]{4} .* 7 ms"`},
		{"count", `sum(count_over_time({service_name="checkout"}[15s]))`},
		{"count by level", `sum by (detected_level) (count_over_time({service_name="checkout"}[15s]))`},
		{"count of words", `sum(count_over_time({service_name="checkout"} |= "took 9 ms" [15s]))`},
		{"count with number", `sum by (thread_name) (count_over_time({service_name="checkout"} | duration_ms > 200 [15s]))`},
		{"bytes by service", `sum by (service_name) (bytes_over_time({service_name=~".+"}[15s]))`},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			spent := logstest.CPU(b)
			for b.Loop() {
				if code, body := logstest.Get(b.Context(), api, "query_range", "query", q.query, "start", from, "end", to, "step", "15"); code != 200 {
					b.Fatal(body)
				}
			}
			logstest.PerRow(b, spent, 200_000)
		})
	}
}
