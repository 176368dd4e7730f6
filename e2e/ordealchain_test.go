package e2e

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestQueueOrdealChain: a daemon with a queue in front of the one of the ordeal. Reloads of either, and stops of the front, double
// and lose nothing.
func TestQueueOrdealChain(t *testing.T) {
	p := ports(t, 3)
	var front *process
	var frontFile string
	consumers := 3
	frontConfig := func(o *ordeal) {
		frontFile = file(t, o.dir, "front.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d", timeout: 2s, sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1000000000, num_consumers: %d}}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage: {directory: %s/front, create_directory: true, min_free_disk_mib: 0}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http]}
    traces: {receivers: [otlp], exporters: [otlp_http]}
    metrics: {receivers: [otlp], exporters: [otlp_http]}
`, p[0], o.p[0], consumers, p[2], o.dir, p[1])
	}
	startFront := func(o *ordeal) {
		front = run(t, "sluice-collector", "--config", frontFile, "--data-dir", o.dir+"/frontstate").ready(p[2])
	}
	o := beginOrdeal(t, func(o *ordeal) {
		o.intake = p[0]
		frontConfig(o)
		startFront(o)
	})
	actions := []string{"consumers", "front", "termfront", "more", "rename", "move", "encoding"}
	if only := os.Getenv("SLUICE_ACTIONS"); only != "" {
		actions = strings.Split(only, ",")
	}
	o.own = map[string]func(){
		"front": func() {
			consumers = pick(1, 3, 10)
			frontConfig(o)
			n := strings.Count(front.out.String(), "msg=reloaded")
			front.signal(syscall.SIGHUP)
			eventually(t, 20*time.Second, "the reload of the front", func() bool { return strings.Count(front.out.String(), "msg=reloaded") > n })
		},
		"termfront": func() { front.terminate(); startFront(o) },
	}
	o.during(ordealTime(), actions...)
	o.sink.mood.Store(0)
	o.stop.Store(true)
	o.clients.Wait()
	o.now.more = "" // to gather takes its time
	o.reload()
	eventually(t, 60*time.Second, "an empty front", func() bool { return sumOf(t, p[1], "sluice_queue_stored_records") == 0 })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for in the front", n)
	}
	if n := sumOf(t, p[1], "sluice_component_dropped_items_total"); n != 0 {
		t.Errorf("%v items dropped by the front", n)
	}
	o.settle()
	o.check()
	front.terminate()
	o.c.terminate()
}
