package logs

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/sluiceio/sluice/pipeline"
)

// sample is 1,000 records of about 350 bytes with six attributes, from one pod, a millisecond apart.
func sample(b *testing.B, start time.Time) pipeline.Batch {
	return batch(b, func(logs plog.Logs) {
		rl := logs.ResourceLogs().AppendEmpty()
		for _, kv := range [][2]string{
			{"service.name", "checkout"}, {"k8s.namespace.name", "shop"}, {"k8s.pod.name", "checkout-7d9f"}, {"host.name", "node-1"},
		} {
			rl.Resource().Attributes().PutStr(kv[0], kv[1])
		}
		sl := rl.ScopeLogs().AppendEmpty()
		sl.Scope().SetName("bench")
		for i := range 1000 {
			r := sl.LogRecords().AppendEmpty()
			r.SetTimestamp(pcommonTime(start.Add(time.Duration(i) * time.Millisecond)))
			r.SetSeverityNumber(plog.SeverityNumber(9 + 4*(i%100/99)))
			r.Body().SetStr(fmt.Sprintf("order %d of customer %d took %d ms in step payment of the checkout, which is as usual", i*7919%100000, i%977, i%250))
			r.Attributes().PutStr("http.request.method", "POST")
			r.Attributes().PutStr("url.path", "/api/v1/orders")
			r.Attributes().PutInt("http.response.status_code", int64(200+300*(i%50/49)))
			r.Attributes().PutInt("duration.ms", int64(i%250))
			r.Attributes().PutStr("thread.name", "worker-"+string(rune('a'+i%8)))
			r.Attributes().PutStr("order.id", fmt.Sprintf("o-%08d", i*104729%100000000))
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, Options{})
	bt := sample(b, time.Now().Add(-time.Second))
	b.SetBytes(int64(len(bt.Request)))
	b.ReportAllocs()
	spent := cpu(b)
	for b.Loop() {
		put(b, s, bt)
	}
	perRow(b, spent, bt.Items)
}

// BenchmarkEncode is Append without the write-ahead log and the library.
func BenchmarkEncode(b *testing.B) {
	s := open(b, Options{})
	bt := sample(b, time.Now().Add(-time.Second))
	e := s.newEncoder()
	e.put = func(_ *logstorage.LogRows, _ []int64) {}
	b.SetBytes(int64(len(bt.Request)))
	b.ReportAllocs()
	spent := cpu(b)
	for b.Loop() {
		e.begin(1, time.Now().UnixNano(), time.Hour)
		e.request(bt.Request)
		e.end()
	}
	perRow(b, spent, bt.Items)
}

// cpu is what the process has spent of user and system time.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perRow reports the processor's time for a row since start, whatever else runs on the machine.
func perRow(b *testing.B, start time.Duration, rows int) {
	b.ReportMetric(float64((cpu(b)-start).Nanoseconds())/float64(b.N*rows), "cpu-ns/row")
}

// BenchmarkQuery runs queries over 200,000 rows of a little more than three minutes.
func BenchmarkQuery(b *testing.B) {
	s := open(b, Options{})
	start := time.Now().Add(-10 * time.Minute).Truncate(time.Second)
	for i := range 200 {
		put(b, s, sample(b, start.Add(time.Duration(i)*time.Second)))
	}
	if err := s.checkpoint(); err != nil {
		b.Fatal(err)
	}
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
			spent := cpu(b)
			for b.Loop() {
				if code, body := get(b.Context(), s, "query_range", "query", q.query, "start", from, "end", to, "step", "15"); code != 200 {
					b.Fatal(body)
				}
			}
			perRow(b, spent, 200_000)
		})
	}
}
