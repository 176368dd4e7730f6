package e2e

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// TestStopWhileTheDestinationIsAway: a tailed file is its own queue, so a clean stop waits for nobody: at once where the
// destination is dead, after the grace of delivery (5 s) where it is silent. What it did not take comes with the next start.
func TestStopWhileTheDestinationIsAway(t *testing.T) {
	const lines = 500
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections into its backlog and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dead := ports(t, 1)[0]
	for _, c := range []struct {
		name   string
		port   int
		within time.Duration
	}{{"dead", dead, 2 * time.Second}, {"silent", silent.Addr().(*net.TCPAddr).Port, 8 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			f, err := os.Create(dir + "/app.log")
			if err != nil {
				t.Fatal(err)
			}
			for n := range lines {
				fmt.Fprintf(f, "source=app seq=%d end\n", n)
			}
			f.Close()
			start := func(port int) *process {
				health := ports(t, 1)[0]
				return run(t, "sluice-agent", "--data-dir", dir+"/state", "--config", file(t, dir, "agent.yaml", `receivers:
  tail: {include: [%[1]s/*.log], start_at: beginning}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%[2]d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%[3]d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [tail], exporters: [otlp_http]}
`, dir, port, health)).ready(health)
			}
			agent := start(c.port)
			time.Sleep(time.Second) // a request is on its way, or waits for the next attempt
			begin := time.Now()
			agent.terminate()
			if took := time.Since(begin); took > c.within {
				t.Errorf("the stop took %s, want at most %s", took, c.within)
			}
			sink := newOTLPSink(t)
			agent = start(sink.port)
			eventually(t, 10*time.Second, "every line", func() bool { return sink.logs.unique("app") == lines })
			agent.terminate()
			sink.logs.check(t, "app", lines, 0)
		})
	}
}
