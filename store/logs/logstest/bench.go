package logstest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"go.opentelemetry.io/collector/pdata/plog"
)

// Sample is 1,000 records of about 350 bytes with six attributes, a millisecond apart.
func Sample(b *testing.B, start time.Time) pipeline.Batch {
	return Batch(b, func(logs plog.Logs) {
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
			r.SetTimestamp(Time(start.Add(time.Duration(i) * time.Millisecond)))
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

// CPU is the process's user and system time.
func CPU(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PerRow reports CPU time per row since start.
func PerRow(b *testing.B, start time.Duration, rows int) {
	b.ReportMetric(float64((CPU(b)-start).Nanoseconds())/float64(b.N*rows), "cpu-ns/row")
}
