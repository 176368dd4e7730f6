package e2e

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// queueFile is a collector that takes OTLP and sends it to two destinations, each with a queue on disk.
func queueFile(t *testing.T, dir string, in, a, b, metrics, health int) string {
	return file(t, dir, "queue.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http/a: {endpoint: "http://127.0.0.1:%d", compression: zstd, sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1000000000}}
  otlp_http/b: {endpoint: "http://127.0.0.1:%d", compression: zstd, sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1000000000}}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage: {directory: %s, create_directory: true, min_free_disk_mib: 16}
service:
  extensions: [health_check, file_storage]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %d}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http/a, otlp_http/b]}
`, in, a, b, health, dir+"/queues", metrics)
}

// pushers are clients that send numbered records and repeat what is not answered 200, as an SDK does.
type pushers struct {
	port   int
	acked  []int // records of each client, all of them answered
	stop   atomic.Bool
	done   sync.WaitGroup
	worst  atomic.Int64 // nanoseconds that an answer took
	prefix string
}

func startPushers(port, clients, records int, pause time.Duration) *pushers {
	p := &pushers{port: port, acked: make([]int, clients), prefix: "client"}
	for c := range clients {
		p.done.Go(func() {
			for !p.stop.Load() {
				body := numberedRequest(p.name(c), p.acked[c], records)
				for { // until it is answered, also when asked to stop: what is sent is repeated
					begin := time.Now()
					code, err := pushLogs(port, body)
					if err == nil && code == http.StatusOK {
						p.worst.Store(max(p.worst.Load(), int64(time.Since(begin))))
						break
					}
					time.Sleep(20 * time.Millisecond)
				}
				p.acked[c] += records
				time.Sleep(pause)
			}
		})
	}
	return p
}

func (p *pushers) name(c int) string { return p.prefix + strconv.Itoa(c) }

func (p *pushers) end() (total int) {
	p.stop.Store(true)
	p.done.Wait()
	for _, n := range p.acked {
		total += n
	}
	return total
}

func (p *pushers) arrived(s *otlpSink) bool {
	for c, n := range p.acked {
		if s.logs.unique(p.name(c)) < n {
			return false
		}
	}
	return true
}

// TestADeadDestinationHoldsNobody: of two destinations of a fan-out one is away. The other gets everything at once, callers
// are answered, a stop takes a second, and afterwards each has each record once.
func TestADeadDestinationHoldsNobody(t *testing.T) {
	dir := t.TempDir()
	a, b := newOTLPSink(t), newOTLPSink(t)
	b.status.Store(503)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	clients := startPushers(p[0], 8, 50, 10*time.Millisecond)
	time.Sleep(3 * time.Second)
	total := clients.end()
	if worst := time.Duration(clients.worst.Load()); worst > time.Second {
		t.Errorf("a caller waited %s", worst)
	}
	eventually(t, 3*time.Second, "all of it at the healthy destination", func() bool { return clients.arrived(a) })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	begin := time.Now()
	collector.terminate()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("the stop took %s", took)
	}
	b.status.Store(0)
	collector = run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	eventually(t, 20*time.Second, "all of it at the other one", func() bool { return clients.arrived(b) })
	time.Sleep(300 * time.Millisecond)
	collector.terminate()
	for c, n := range clients.acked {
		a.logs.check(t, clients.name(c), n, 0)
		b.logs.check(t, clients.name(c), n, 0)
	}
	t.Logf("%d records", total)
}

// TestKillTheCollector kills it again and again while clients push and destinations come and go: every record that was
// answered 200 arrives at both. Repeated is what a client sends again because it had no answer, and what was on the wire or
// settled within the last saving of the cursor (100 ms).
func TestKillTheCollector(t *testing.T) {
	t.Parallel()
	kills := killsOf(6)
	const clientsN, records = 8, 20
	dir := t.TempDir()
	a, b := newOTLPSink(t), newOTLPSink(t)
	p := ports(t, 3)
	cfg := queueFile(t, dir, p[0], a.port, b.port, p[1], p[2])
	var over atomic.Bool
	var flapping sync.WaitGroup
	flapping.Go(func() {
		for !over.Load() {
			time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond)
			b.status.Store(503 - b.status.Load())
		}
		b.status.Store(0)
	})
	collector := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
	clients := startPushers(p[0], clientsN, records, 5*time.Millisecond)
	for range kills {
		time.Sleep(time.Duration(200+rand.IntN(700)) * time.Millisecond)
		collector.kill()
		begin := time.Now()
		collector = run(t, "sluice-collector", "--config", cfg, "--data-dir", dir).ready(p[2])
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("ready after %s", took)
		}
	}
	total := clients.end()
	over.Store(true)
	flapping.Wait()
	eventually(t, 60*time.Second, "every record at both", func() bool { return clients.arrived(a) && clients.arrived(b) })
	if n := unaccounted(t, p[1]); n != 0 {
		t.Errorf("%v items unaccounted for", n)
	}
	collector.terminate()
	// What comes twice at each kill: one request of each client without an answer, and what was handed out or settled in the
	// last 100 ms: at most 300 requests a second came in.
	bound := kills * (records + 10*records)
	for c, n := range clients.acked {
		a.logs.check(t, clients.name(c), n, bound)
		b.logs.check(t, clients.name(c), n, bound)
	}
	if total < kills*records {
		t.Errorf("only %d records; the test proves little", total)
	}
	t.Logf("%d kills, %d records", kills, total)
}
