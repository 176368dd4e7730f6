package e2e

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// TestQueueOnAFullDisk: the queue's disk is full while the destination is away. Nothing crashes, senders are refused and keep
// their data; when the destination is back the queue drains although there is no room, and every record arrives.
func TestQueueOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := dir + "/disk"
	if err := os.Mkdir(disk, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=16m"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	sink := newOTLPSink(t)
	sink.status.Store(503)
	p := ports(t, 3)
	cfg := file(t, dir, "a.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d", compression: none, sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1000000000}}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage: {directory: %s, min_free_disk_mib: 0}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http]}
`, p[0], sink.port, p[2], disk, p[1])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir+"/state").ready(p[2])
	n, refused := 0, 0
	for refused < 20 {
		body := numberedRequest("disk", n, 1000)
		code, err := pushLogs(p[0], body)
		switch {
		case err != nil:
			t.Fatal(err)
		case code == http.StatusOK:
			n += 1000
		case code == http.StatusServiceUnavailable || code == http.StatusTooManyRequests:
			refused++
		default:
			t.Fatalf("answered %d", code)
		}
	}
	if n < 20_000 {
		t.Errorf("full after %d records; the test proves little", n)
	}
	sink.status.Store(0)
	eventually(t, 30*time.Second, "every record that was answered", func() bool { return sink.logs.unique("disk") >= n })
	eventually(t, 10*time.Second, "room again", func() bool {
		code, err := pushLogs(p[0], numberedRequest("fresh", 0, 10))
		return err == nil && code == http.StatusOK
	})
	eventually(t, 10*time.Second, "a fresh record", func() bool { return sink.logs.unique("fresh") == 10 })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	sink.logs.check(t, "disk", n, 0)
}

// numberedPoints is an OTLP request: one point of the series of each client, whose value is its number.
func numberedPoint(client, n int, base time.Time) []byte {
	p := &metrics.NumberDataPoint{
		TimeUnixNano: uint64(base.Add(time.Duration(n) * time.Second).UnixNano()), Value: &metrics.NumberDataPoint_AsDouble{AsDouble: float64(n)},
	}
	m := &metrics.Metric{Name: "numbered_" + strconv.Itoa(client), Data: &metrics.Metric_Gauge{Gauge: &metrics.Gauge{DataPoints: []*metrics.NumberDataPoint{p}}}}
	b, err := proto.Marshal(&colmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metrics.ResourceMetrics{{ScopeMetrics: []*metrics.ScopeMetrics{{Metrics: []*metrics.Metric{m}}}}}})
	if err != nil {
		panic(err)
	}
	return b
}

// TestKillBeforePrometheus kills the collector again and again in front of Prometheus' own write handler, which also comes
// and goes: every sample that was answered 200 is stored, and none is booked as dropped although it is there.
func TestKillBeforePrometheus(t *testing.T) {
	t.Parallel()
	kills := killsOf(20) / 4
	dir := t.TempDir()
	prom := newPromSink(t)
	p := ports(t, 3)
	cfg := file(t, dir, "rw.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  prometheus_remote_write: {endpoint: "http://127.0.0.1:%d", target_info: {enabled: false}, remote_write_queue: {storage: file_storage, sizer: bytes, queue_size: 100000000}}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage: {min_free_disk_mib: 16}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines:
    metrics: {receivers: [otlp], exporters: [prometheus_remote_write]}
`, p[0], prom.port, p[2], p[1])
	start := func() *process { return run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2]) }
	collector := start()
	const clients = 4
	base := time.Now().Add(-2 * time.Hour)
	var acked [clients]int
	var stop atomic.Bool
	var done sync.WaitGroup
	for c := range clients {
		done.Go(func() {
			for !stop.Load() {
				body := numberedPoint(c, acked[c], base)
				for {
					res, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/metrics", p[0]), "application/x-protobuf", bytes.NewReader(body))
					if err == nil {
						_, _ = io.Copy(io.Discard, res.Body)
						res.Body.Close()
						if res.StatusCode == http.StatusOK {
							break
						}
					}
					time.Sleep(20 * time.Millisecond)
				}
				acked[c]++
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	dropped := 0.0
	for range kills {
		time.Sleep(time.Duration(200+rand.IntN(500)) * time.Millisecond)
		dropped += sumOf(t, p[1], "sluice_component_dropped_items_total")
		collector.kill()
		collector = start()
	}
	stop.Store(true)
	done.Wait()
	eventually(t, 30*time.Second, "an empty queue", func() bool { return sumOf(t, p[1], "sluice_component_stored_items") == 0 })
	dropped += sumOf(t, p[1], "sluice_component_dropped_items_total")
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	for c, n := range acked {
		_, values := prom.samples(t, labels.MustNewMatcher(labels.MatchEqual, "__name__", "numbered_"+strconv.Itoa(c)))
		slices.Sort(values)
		values = slices.Compact(values)
		if len(values) < n {
			t.Errorf("client %d: %d of %d samples are stored", c, len(values), n)
		}
	}
	if dropped != 0 {
		t.Errorf("%v samples are booked as dropped, although all are stored", dropped)
	}
	t.Logf("%d kills, %v samples", kills, acked)
}

// sumOf adds up a metric of a process over its labels.
func sumOf(t testing.TB, port int, name string) (sum float64) {
	t.Helper()
	for line := range strings.Lines(fetch(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", port))) {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == '{' || rest[0] == ' ') {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndex(rest, " "):]), 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}
