package loki

import (
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store/logs"
	"github.com/sluiceio/sluice/store/logs/logstest"
	"go.opentelemetry.io/collector/pdata/plog"
)

// manyStreams stores a line of 10 bytes in each of so many streams of three services: every pod is one.
func manyStreams(t testing.TB, s *logs.Store, streams int) {
	now := time.Now().Add(-time.Minute)
	for i := 0; i < streams; {
		put(t, s, logstest.Batch(t, func(l plog.Logs) {
			for range 10_000 {
				rl := l.ResourceLogs().AppendEmpty()
				rl.Resource().Attributes().PutStr("service.name", fmt.Sprint("service-", i%3))
				rl.Resource().Attributes().PutStr("k8s.pod.name", fmt.Sprintf("pod-%08d", i))
				r := rl.ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
				r.SetTimestamp(logstest.Time(now))
				r.Body().SetStr("ten bytes.")
				i++
			}
		}))
	}
}

// overStreams are requests about many streams: path, parameters, and what the answer has.
var overStreams = []struct {
	path   string
	params []string
	want   func(streams int) string
}{
	{"labels", nil, func(int) string { return `["k8s_pod_name","service_name"]` }},
	{"label/service_name/values", nil, func(int) string { return `["service-0","service-1","service-2"]` }},
	{"label/service_name/values", []string{"query", `{k8s_pod_name=~"pod-.*[147]"}`}, func(int) string { return `["service-0","service-1","service-2"]` }},
	{"label/k8s_pod_name/values", nil, func(n int) string { return fmt.Sprintf(`"pod-%08d"]`, n-1) }},
	{"index/stats", []string{"query", `{service_name=~".+"}`}, func(n int) string {
		return fmt.Sprintf(`{"streams":%d,"chunks":%d,"entries":%d,"bytes":%d}`, n, n, n, 10*n)
	}},
	{"index/volume", []string{"query", `{service_name="service-0"}`}, func(n int) string { return fmt.Sprintf(`"%d"]`, 10*(n/3+min(n%3, 1))) }},
	{"index/volume", []string{"query", `{k8s_pod_name=~".+"}`, "limit", "1"}, func(int) string { return `{"k8s_pod_name":"pod-00000000"},"value"` }},
	{"index/volume_range", []string{"query", `{service_name="service-0"}`, "step", "1h"}, func(n int) string { return fmt.Sprintf(`"%d"]`, 10*(n/3+min(n%3, 1))) }},
}

// TestManyStreams: names, values and sums do not need all streams at once.
func TestManyStreams(t *testing.T) {
	const streams = 120_000
	s, api := open(t, t.TempDir(), logs.Options{})
	manyStreams(t, s, streams)
	for _, q := range overStreams {
		code, body := logstest.Get(t.Context(), api, q.path, q.params...)
		if code != 200 || !strings.Contains(body, q.want(streams)) {
			t.Errorf("%s %v: %d %.300s; want %s", q.path, q.params, code, body, q.want(streams))
		}
	}
	// All labels of all streams are another matter.
	if code, body := logstest.Get(t.Context(), api, "series"); code != 200 || strings.Count(body, "k8s_pod_name") != streams {
		t.Errorf("series: %d %.300s", code, body)
	}
	s, small := open(t, t.TempDir(), logs.Options{MaxResultBytes: 1 << 20})
	manyStreams(t, s, 10_000)
	if code, body := logstest.Get(t.Context(), small, "series"); code != 400 || !strings.Contains(body, "more than 1048576 bytes; select fewer") {
		t.Errorf("series: %d %.300s", code, body)
	}
}

// BenchmarkManyStreams asks over a million streams. Run it with -benchtime=1x.
func BenchmarkManyStreams(b *testing.B) {
	const streams = 1_000_000
	s, api := open(b, b.TempDir(), logs.Options{})
	manyStreams(b, s, streams)
	for _, q := range overStreams {
		b.Run(q.path+" "+strings.Join(q.params, " "), func(b *testing.B) {
			var peak atomic.Uint64
			stop := make(chan struct{})
			go watchHeap(&peak, stop)
			for b.Loop() {
				if code, body := logstest.Get(b.Context(), api, q.path, q.params...); code != 200 || !strings.Contains(body, q.want(streams)) {
					b.Errorf("%d %.300s", code, body)
				}
			}
			close(stop)
			b.ReportMetric(float64(peak.Load()>>20), "peak-MiB")
		})
	}
}

// watchHeap notes the largest heap above that at the beginning.
func watchHeap(peak *atomic.Uint64, stop chan struct{}) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	for {
		select {
		case <-stop:
			return
		case <-time.After(20 * time.Millisecond):
			runtime.ReadMemStats(&m)
			if m.HeapAlloc > base {
				peak.Store(max(peak.Load(), m.HeapAlloc-base))
			}
		}
	}
}
