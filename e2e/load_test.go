package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// leastRate is what one source has to exceed through batch with default settings, to a destination that answers
// after 20 ms.
const leastRate = 50_000

// TestOneFileIsNotBoundByTheRoundTrip: a single file, read by one tailer.
func TestOneFileIsNotBoundByTheRoundTrip(t *testing.T) {
	const lines = 300_000
	dir := t.TempDir()
	sink := newOTLPSink(t)
	sink.wait.Store(int64(20 * time.Millisecond))
	if err := os.MkdirAll(dir+"/logs", 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(dir + "/logs/app.log")
	if err != nil {
		t.Fatal(err)
	}
	for n := range lines {
		fmt.Fprintf(f, "a line of a service that says what it has to say: source=app seq=%d end\n", n)
	}
	f.Close()
	p := ports(t, 1)
	cfg := file(t, dir, "agent.yaml", `receivers:
  tail: {include: [%[1]s/logs/*.log], start_at: beginning}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], processors: [batch], exporters: [otlp_http]}
`, dir, sink.port, p[0])
	begin := time.Now()
	agent := run(t, "sluice-agent", "--config", cfg, "--data-dir", dir+"/state").ready(p[0])
	eventually(t, time.Minute, "every line", func() bool { return sink.logs.unique("app") >= lines })
	rate := lines / time.Since(begin).Seconds()
	agent.terminate()
	sink.logs.check(t, "app", lines, 0)
	t.Logf("%.0f lines/s", rate)
	if rate < leastRate {
		t.Errorf("one file: %.0f lines/s, want more than %d", rate, leastRate)
	}
}

// TestOneClientIsNotBoundByATimer: a single client that waits for each answer, as SDKs do, with requests of 2,048
// records, the SDKs' queue size.
func TestOneClientIsNotBoundByATimer(t *testing.T) {
	const perRequest, requests = 2048, 100
	dir := t.TempDir()
	sink := newOTLPSink(t)
	sink.wait.Store(int64(20 * time.Millisecond))
	p := ports(t, 2)
	c := run(t, "sluice-collector", "--config", gatewayFile(t, dir, p[0], sink.port, p[1], ""), "--data-dir", dir).ready(p[1])
	var bodies [][]byte
	for i := range requests {
		bodies = append(bodies, numberedRequest("client", i*perRequest, perRequest))
	}
	begin := time.Now()
	for _, b := range bodies {
		if code, err := pushLogs(p[0], b); err != nil || code != 200 {
			t.Fatalf("answered %d, %v", code, err)
		}
	}
	rate := requests * perRequest / time.Since(begin).Seconds()
	c.terminate()
	sink.logs.check(t, "client", requests*perRequest, 0)
	t.Logf("%.0f records/s", rate)
	if rate < leastRate {
		t.Errorf("one client: %.0f records/s, want more than %d", rate, leastRate)
	}
}
