package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A deafProxy forwards connections, each for a short time; in the last part of it nothing comes back, so that answers to
// requests that arrived are lost.
type deafProxy struct {
	port   int
	heals  atomic.Bool // nothing is lost any more
	losses atomic.Int64
}

const (
	hears = 300 * time.Millisecond
	deaf  = 200 * time.Millisecond
)

func newDeafProxy(t *testing.T, to int) *deafProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &deafProxy{port: l.Addr().(*net.TCPAddr).Port}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", to))
			if err != nil {
				in.Close()
				continue
			}
			p.join(in, out)
		}
	}()
	return p
}

func (p *deafProxy) join(in, out net.Conn) {
	begin := time.Now()
	end := func() { in.Close(); out.Close() }
	if !p.heals.Load() {
		time.AfterFunc(hears+deaf, end)
	}
	pass := func(from, to net.Conn, answers bool) {
		defer end()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if answers && n > 0 && !p.heals.Load() && time.Since(begin) > hears {
				p.losses.Add(1)
				n = 0
			}
			if _, failed := to.Write(buf[:n]); err != nil || failed != nil {
				return
			}
		}
	}
	go pass(in, out, false)
	go pass(out, in, true)
}

// TestAnAnswerThatIsLostDoublesNothing: connections between agent and collector break off behind requests that have arrived, and
// while the collector works on them. The agent sends them again, from a queue on disk or for callers that come again.
// Each record arrives once.
func TestAnAnswerThatIsLostDoublesNothing(t *testing.T) {
	t.Parallel()
	const queued = "sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1000000000}"
	for _, c := range []struct {
		name, protocol, queue, within string
		wait                          time.Duration // for the destination; longer than the agent's timeout in some
	}{
		{"HTTP with a queue", "http", queued, "8s", 100 * time.Millisecond},
		{"gRPC with a queue", "grpc", queued, "8s", 900 * time.Millisecond},
		{"HTTP without a queue", "http", "compression: zstd", "700ms", 900 * time.Millisecond},
		{"gRPC without a queue", "grpc", "compression: gzip", "700ms", 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			sink := newOTLPSink(t)
			sink.wait.Store(int64(c.wait))
			p := ports(t, 6)
			collector := run(t, "sluice-collector", "--data-dir", dir+"/c", "--config", file(t, dir, "c.yaml", `receivers:
  otlp: {protocols: {%s: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d"}
extensions: {health_check: {endpoint: 127.0.0.1:%d}}
service:
  extensions: [health_check]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines: {logs: {receivers: [otlp], exporters: [otlp_http]}}
`, c.protocol, p[0], sink.port, p[1], p[2])).ready(p[1])
			proxy := newDeafProxy(t, p[0])
			endpoint := fmt.Sprintf(`endpoint: "http://127.0.0.1:%d"`, proxy.port)
			agent := run(t, "sluice-agent", "--data-dir", dir+"/a", "--config", file(t, dir, "a.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}, request_timeout: %s}
exporters:
  otlp_%s: {%s, tls: {insecure: true}, timeout: 600ms, retry_on_failure: {initial_interval: 50ms}, %s}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage: {directory: %s, create_directory: true, min_free_disk_mib: 16}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines: {logs: {receivers: [otlp], exporters: [otlp_%s]}}
`, p[3], c.within, c.protocol, endpoint, c.queue, p[4], dir+"/queues", p[5], c.protocol)).ready(p[4])
			clients := startPushers(p[3], 6, 20, 20*time.Millisecond)
			time.Sleep(4 * time.Second)
			proxy.heals.Store(true)
			sink.wait.Store(0)
			total := clients.end()
			eventually(t, 20*time.Second, "all of it", func() bool { return clients.arrived(sink) })
			for i, n := range clients.acked {
				sink.logs.check(t, clients.name(i), n, 0)
			}
			repeated := ownMetric(t, p[2], "sluice_receiver_repeated_requests_total")
			if repeated == 0 {
				t.Error("no request came again: nothing was tested")
			}
			t.Logf("%d records, %d losses, %v requests came again", total, proxy.losses.Load(), repeated)
			for _, port := range []int{p[2], p[5]} {
				if n := unaccounted(t, port); n != 0 {
					t.Errorf("%v items unaccounted for", n)
				}
			}
			delivered := 0
			for line := range strings.Lines(fetch(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", p[2]))) {
				if strings.HasPrefix(line, "sluice_component_delivered_items_total{") && strings.Contains(line, `signal="logs"`) {
					fmt.Sscan(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:], &delivered)
				}
			}
			if delivered != total {
				t.Errorf("the collector says that %d items were delivered, want %d", delivered, total)
			}
			agent.terminate()
			collector.terminate()
		})
	}
}
