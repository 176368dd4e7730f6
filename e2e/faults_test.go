package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// badFile has a fault of every kind; each wanted line names its place.
const badFile = `receivers:
  otlp:
    protocols:
      grcp: {}
      http:
        endpont: 127.0.0.1:1
  hostmetrics: {}
  tail:
    include: []
processors:
  batch:
    timeout: soon
    send_batch_size: -1
exporters:
  otlphttp:
    endpoint: http://127.0.0.1:1
    timeout: 5s
    sending_queue: {storage: file_storage}
service:
  pipelines:
    logs:
      receivers: [otlp, tial]
      processors: [batch]
      exporters: [otlphttp]
    metric:
      receivers: [otlp]
      exporters: [otlphttp]
`

// TestEveryFaultOfABadFile: all at once, each with its line and what to write instead; exit code 78.
func TestEveryFaultOfABadFile(t *testing.T) {
	path := file(t, t.TempDir(), "bad.yaml", "%s", badFile)
	for _, args := range [][]string{{"--config", path}, {"validate", "--config", path}} {
		p := run(t, "sluice-agent", args...)
		if code := p.exit(10 * time.Second); code != 78 {
			t.Errorf("%v: exit code %d, want 78", args, code)
		}
		out := p.out.String()
		for _, want := range []struct{ place, says string }{
			{"bad.yaml:4", "grpc"}, {"bad.yaml:6", "endpoint"}, {"bad.yaml:7", "host"}, {"bad.yaml:9", "include"},
			{"bad.yaml:12", "timeout"}, {"bad.yaml:13", "send_batch_size"}, {"bad.yaml:18", "storage"},
			{"bad.yaml:22", "tail"}, {"bad.yaml:25", "metrics"},
		} {
			if !lineWith(out, want.place, want.says) {
				t.Errorf("%v: no line with %q and %q in:\n%s", args, want.place, want.says, out)
			}
		}
	}
}

// lineWith looks for one line that has all parts.
func lineWith(text string, parts ...string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			return true
		}
	}
	return false
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := file(t, dir, "busy.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: "%s"}}}
exporters:
  debug: {}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [debug]}
`, taken.Addr())
	for _, c := range []struct {
		program string
		args    []string
		code    int
		says    string
	}{
		{"sluice", []string{"version"}, 0, "sluice "},
		{"sluice-agent", []string{"components"}, 0, "prometheus"},
		{"sluice-collector", []string{"validate"}, 0, "valid"},
		{"sluice-agent", []string{"--nonsense"}, 2, "--nonsense"},
		{"sluice-agent", []string{"validat"}, 2, "validat"},
		{"sluice", []string{"up", "--scrape", "nowhere"}, 2, "HOST:PORT"},
		{"sluice-collector", []string{"--config", filepath.Join(dir, "absent.yaml")}, 78, "absent.yaml"},
		{"sluice-collector", []string{"--config", busy, "--data-dir", dir}, 1, taken.Addr().String()},
	} {
		t.Run(c.program+" "+strings.Join(c.args, " "), func(t *testing.T) {
			p := run(t, c.program, c.args...)
			if code := p.exit(15 * time.Second); code != c.code || !strings.Contains(p.out.String(), c.says) {
				t.Errorf("exit code %d, want %d and %q in:\n%s", code, c.code, c.says, p.out)
			}
			if strings.Contains(p.out.String(), "PSI metrics") {
				t.Errorf("a library speaks up:\n%s", p.out)
			}
		})
	}
	if p := run(t, "sluice-collector", "--config", busy, "--data-dir", dir); p.exit(15*time.Second) != 1 || !strings.Contains(p.out.String(), "busy.yaml:2") {
		t.Errorf("a taken port that a file names is not reported with its place:\n%s", p.out)
	}
}

// onlyFilesMissing tells that a file's only faults are certificates and tokens that this machine does not have.
func onlyFilesMissing(said string) bool {
	for line := range strings.Lines(said) {
		if !strings.Contains(line, "_file: cannot read the file: no such file or directory") && !strings.Contains(line, "nothing was started") {
			return false
		}
	}
	return true
}

// TestShippedConfigs: each file of configs/, each example of a component's README and each embedded default is valid.
func TestShippedConfigs(t *testing.T) {
	for file, program := range map[string]string{"agent.yaml": "sluice-agent", "host/agent/agent.yaml": "sluice-agent", "collector.yaml": "sluice-collector", "collector-clean.yaml": "sluice-collector", "all-in-one.yaml": "sluice"} {
		out, err := exec.Command(binary(t, program), "validate", "--config", filepath.Join("..", "configs", file)).CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
	readmes, _ := filepath.Glob("../*/*/README.md")
	for _, path := range readmes {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
			out, err := exec.Command(binary(t, "sluice"), "validate", "--config", "yaml:"+string(block[1])).CombinedOutput()
			if (err != nil && !onlyFilesMissing(string(out))) || strings.Contains(string(out), "warning") {
				t.Errorf("the example of %s: %v\n%s", path, err, out)
			}
		}
	}
	for _, program := range []string{"sluice", "sluice-agent", "sluice-collector"} {
		out, err := exec.Command(binary(t, program), "validate").CombinedOutput()
		if err != nil || strings.Contains(string(out), "warning") {
			t.Errorf("the embedded default of %s: %v\n%s", program, err, out)
		}
	}
}

// gatewayFile is a collector from OTLP/HTTP to a sink.
func gatewayFile(t *testing.T, dir string, in, out, health int, extra string) string {
	return file(t, dir, "gateway.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
processors:
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
service:
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
%s
  pipelines:
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
`, in, out, health, extra)
}

// keptAlive is one connection to OTLP/HTTP. An http.Client would open another one when it breaks.
type keptAlive struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(t testing.TB, port int) *keptAlive {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &keptAlive{conn, bufio.NewReader(conn)}
}

func (k *keptAlive) pushLogs(body []byte) (int, error) {
	head := fmt.Sprintf("POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := k.conn.Write(append([]byte(head), body...)); err != nil {
		return 0, err
	}
	k.conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	res, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// TestReload: SIGHUP under load. An invalid file changes nothing; a valid one replaces the graph without refused clients,
// closed connections or loss of acknowledged data.
func TestReload(t *testing.T) {
	const reloads = 5
	dir := t.TempDir()
	sinks := []*otlpSink{newOTLPSink(t), newOTLPSink(t)}
	p := ports(t, 2)
	cfg := gatewayFile(t, dir, p[0], sinks[0].port, p[1], "")
	c := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[1])
	stop := make(chan struct{})
	// One client sends without a pause, others leave their connection idle between requests.
	pauses := []time.Duration{0, time.Millisecond, 7 * time.Millisecond, 300 * time.Millisecond}
	produced := make([]int, len(pauses))
	var clients sync.WaitGroup
	for i, pause := range pauses {
		k := dial(t, p[0])
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(pause):
				}
				code, err := k.pushLogs(numberedRequest(fmt.Sprint("client", i), produced[i], 50))
				if err != nil {
					t.Errorf("the connection of client %d broke under a request: %v", i, err)
					return
				}
				if code == http.StatusOK {
					produced[i] += 50
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	if err := os.WriteFile(cfg, []byte("receivers: {otlp: {nonsense: 1}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.signal(syscall.SIGHUP)
	eventually(t, 10*time.Second, "the refusal of the bad file", func() bool {
		return strings.Contains(c.out.String(), "the running configuration stays") && strings.Contains(c.out.String(), "nonsense")
	})
	more := func(s *otlpSink, what string) {
		t.Helper()
		before := s.logs.unique("client0")
		eventually(t, 10*time.Second, what, func() bool { return s.logs.unique("client0") > before })
	}
	more(sinks[0], "records after the bad file")
	for n := range reloads {
		to := sinks[(n+1)%2]
		gatewayFile(t, dir, p[0], to.port, p[1], "")
		c.signal(syscall.SIGHUP)
		more(to, "records at the new destination")
		time.Sleep(350 * time.Millisecond)
	}
	close(stop)
	clients.Wait()
	c.terminate()
	for i, n := range produced {
		name, both := fmt.Sprint("client", i), newTally()
		for _, s := range sinks {
			for n, k := range s.logs.seen[name] {
				for range k {
					both.add(name, n)
				}
			}
		}
		both.check(t, name, n, n) // a request cut off by the change may come again
	}
}

// TestSecondSignal: the first SIGTERM drains, the second one ends the process at once.
func TestSecondSignal(t *testing.T) {
	dir := t.TempDir()
	sink := newOTLPSink(t)
	sink.wait.Store(int64(20 * time.Second))
	p := ports(t, 2)
	c := run(t, "sluice-collector", "--config", gatewayFile(t, dir, p[0], sink.port, p[1], ""), "--data-dir", dir).ready(p[1])
	go pushLogs(p[0], numberedRequest("client", 0, 1))
	time.Sleep(300 * time.Millisecond)
	c.signal(syscall.SIGTERM)
	eventually(t, 5*time.Second, "draining", func() bool { return strings.Contains(c.out.String(), "draining") })
	select {
	case <-c.done:
		t.Fatal("it did not drain")
	case <-time.After(500 * time.Millisecond):
	}
	c.signal(syscall.SIGTERM)
	if code := c.exit(3 * time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

// TestWhatTheDrainLeavesIsSaid: a destination that is away, a short shutdown_timeout: exit 0, and the last line
// counts what could not be delivered.
func TestWhatTheDrainLeavesIsSaid(t *testing.T) {
	dir := t.TempDir()
	target := newCounterTarget(t)
	p := ports(t, 2)
	cfg := file(t, dir, "a.yaml", `receivers:
  prometheus:
    config: {scrape_configs: [{job_name: x, scrape_interval: 200ms, scrape_timeout: 200ms, static_configs: [{targets: [127.0.0.1:%d]}]}]}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
service:
  shutdown_timeout: 1s
  extensions: [health_check]
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [prometheus], exporters: [otlp_http]}
`, target.port, p[0], p[1])
	a := run(t, "sluice-agent", "--config", cfg, "--data-dir", dir).ready(p[1])
	eventually(t, 10*time.Second, "some scrapes", func() bool { return target.n.Load() > 3 })
	a.terminate()
	last := a.out.String()[strings.LastIndex(strings.TrimSpace(a.out.String()), "\n")+1:]
	var undelivered, timedOut int
	for _, f := range strings.Fields(last) {
		fmt.Sscanf(f, "undelivered_items=%d", &undelivered)
		fmt.Sscanf(f, "dropped_shutdown_timeout_items=%d", &timedOut)
	}
	if undelivered+timedOut < 4 || !strings.Contains(last, "unaccounted_items=0") {
		t.Errorf("the last line is %q; want at least the samples of four scrapes, and 0 unaccounted", last)
	}
}
