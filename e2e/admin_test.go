package e2e

import (
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sluice runs a command to its end.
func sluice(t *testing.T, args ...string) (out string, ok bool) {
	t.Helper()
	b, err := exec.Command(binary(t, "sluice-collector"), args...).CombinedOutput()
	return string(b), err == nil
}

// TestCommandsOnARunningCollector: drop, replay and drain reach the queues of a running daemon.
func TestCommandsOnARunningCollector(t *testing.T) {
	dir := t.TempDir()
	a, b, other := newOTLPSink(t), newOTLPSink(t), newOTLPSink(t)
	b.status.Store(503)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	push := func(source string, first, n int) {
		t.Helper()
		for i := first; i < first+n; i += 10 {
			if code, err := pushLogs(p[0], numberedRequest(source, i, 10)); err != nil || code != http.StatusOK {
				t.Fatalf("answered %d, %v", code, err)
			}
		}
	}
	queue := dir + "/queues/exporter_otlp_http_b"
	push("replayed", 0, 200)
	if out, ok := sluice(t, "queue", "replay", queue, "--to", "http://127.0.0.1:"+strconv.Itoa(other.port), "--confirm", "--data-dir", dir); !ok || !strings.Contains(out, "200 items") {
		t.Fatalf("replay: %s", out)
	}
	other.logs.check(t, "replayed", 200, 0)
	push("dropped", 0, 100)
	if out, ok := sluice(t, "queue", "drop", queue, "--confirm", "--data-dir", dir); !ok || !strings.Contains(out, "100 items") {
		t.Fatalf("drop: %s", out)
	}
	push("drained", 0, 300)
	b.wait.Store(int64(20 * time.Millisecond))
	b.status.Store(0)
	if out, ok := sluice(t, "queue", "drain", "--timeout", "60s", "--data-dir", dir); !ok || !strings.Contains(out, "all queues are empty") {
		t.Fatalf("drain: %s", out)
	}
	b.logs.check(t, "drained", 300, 0)
	if code, err := pushLogs(p[0], numberedRequest("late", 0, 10)); err != nil || code == http.StatusOK {
		t.Errorf("a drained collector answers %d, %v", code, err)
	}
	if res, err := http.Get("http://127.0.0.1:" + strconv.Itoa(p[2])); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("health of a drained collector: %v, %v", res, err)
	}
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	dropped := false
	for line := range strings.Lines(fetch(t, "http://127.0.0.1:"+strconv.Itoa(p[1])+"/metrics")) {
		if strings.HasPrefix(line, "sluice_component_dropped_items_total") && strings.Contains(line, "otlp_http/b") && strings.Contains(line, `"operator"`) {
			dropped = dropped || strings.HasSuffix(strings.TrimSpace(line), " 100")
		}
	}
	if !dropped {
		t.Error("the 100 items are not counted as dropped by the operator")
	}
	collector.terminate()
	if b.logs.unique("replayed") != 0 || b.logs.unique("dropped") != 0 {
		t.Error("what was replayed or dropped was sent all the same")
	}
}
