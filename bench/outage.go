package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The load of an outage: logs and samples a second, and how many are in a request.
const (
	outageLogs, outageLogsPer       = 20_000, 100
	outageSamples, outageSamplesPer = 30_000, 500
	outageUsual                     = 20 * time.Second // before the outage
	outageClients                   = 8                // of each signal
	maxRequests                     = 1 << 20          // of a run
	drainLimit                      = time.Minute      // and twice the outage: then the drain has failed
)

var outageSubjects = []subject{
	{name: "Sluice, queue on disk", binary: gatewaySubjects[0].binary},
	{name: "Collector 0.158, file_storage", binary: otelcol},
}

// outageConfig is the same for both. The Collector gives up after five minutes by default, and Sluice with a queue never does.
func outageConfig(in, healthy, dead int, dir string) string {
	queue := "sending_queue: {storage: file_storage, sizer: bytes, queue_size: 8000000000}, retry_on_failure: {max_elapsed_time: 0s}"
	return fmt.Sprintf(`receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http/healthy: {endpoint: "http://127.0.0.1:%d", compression: zstd, %[4]s}
  otlp_http/dead: {endpoint: "http://127.0.0.1:%[3]d", compression: zstd, %[4]s}
extensions:
  file_storage: {directory: %[5]s}
service:
  extensions: [file_storage]
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http/healthy, otlp_http/dead]}
    metrics: {receivers: [otlp], exporters: [otlp_http/healthy, otlp_http/dead]}
`, in, healthy, dead, queue, dir)
}

// numbered is a destination that knows each request by its number, however requests are merged.
type numbered struct {
	port     int
	away     atomic.Bool
	requests atomic.Int64
	close    func()

	mu     sync.Mutex
	seen   []uint8
	unique int
	twice  int
	delays []time.Duration // since it was sent first
}

var marker = []byte("#sluice-bench:")

// mark is the body of the record that numbers a request: number and time of sending, 16 hexadecimal digits each.
func mark(dst []byte, n int) []byte {
	return fmt.Appendf(dst, "%s%016x%016x", marker, n, time.Now().UnixNano())
}

func newNumbered() (*numbered, error) {
	s := &numbered{seen: make([]uint8, maxRequests)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: http.HandlerFunc(s.serve)}
	go srv.Serve(l)
	s.close = func() { srv.Close() }
	return s, nil
}

func (s *numbered) serve(w http.ResponseWriter, r *http.Request) {
	if s.away.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	buf := bodies.Get().(*[]byte)
	defer bodies.Put(buf)
	body, err := inflate((*buf)[:0], r.Body, r.Header.Get("Content-Encoding"))
	*buf = body[:0]
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.requests.Add(1)
	now := time.Now()
	s.mu.Lock()
	for {
		at := bytes.Index(body, marker)
		if at < 0 || len(body) < at+len(marker)+32 {
			break
		}
		body = body[at+len(marker):]
		n, err1 := strconv.ParseUint(string(body[:16]), 16, 64)
		sent, err2 := strconv.ParseInt(string(body[16:32]), 16, 64)
		if err1 != nil || err2 != nil || n >= maxRequests {
			continue
		}
		if s.seen[n]++; s.seen[n] > 1 {
			s.twice++
			continue
		}
		s.unique++
		s.delays = append(s.delays, now.Sub(time.Unix(0, sent)))
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *numbered) counts() (unique, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unique, s.twice
}

// takeDelays returns the delays since the last call, sorted.
func (s *numbered) takeDelays() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.delays
	s.delays = nil
	slices.Sort(out)
	return out
}

// field appends a length-delimited protobuf field.
func field(dst []byte, number int, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(number<<3|2))
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// numberedLog is a request part with one log record, numberedMetric one with a metric without points.
func numberedLog(n int) []byte {
	record := field(nil, 5, field(nil, 1, mark(nil, n)))
	return field(nil, 1, field(nil, 2, field(nil, 2, record)))
}

func numberedMetric(n int) []byte {
	point := []byte{0x21, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f} // as_double 1
	metric := field(field(nil, 1, mark(nil, n)), 5, field(nil, 1, point))
	return field(nil, 1, field(nil, 2, field(nil, 2, metric)))
}

// pointRequest is a gauge with points of so many series.
func pointRequest(points int) []byte {
	var gauge []byte
	for i := range points {
		value := field(nil, 1, fmt.Appendf(nil, "device-%d", i))
		attribute := field(field(nil, 1, []byte("device")), 2, value)
		point := append(field(nil, 7, attribute), 0x21)
		point = binary.LittleEndian.AppendUint64(point, 0x3ff0000000000000+uint64(i)<<30)
		gauge = field(gauge, 1, point)
	}
	metric := field(field(nil, 1, []byte("disk_io")), 5, gauge)
	return field(nil, 1, field(nil, 2, field(nil, 2, metric)))
}

// steady sends requests at a rate until stop; a request that is not answered 200 is sent again, as a client does.
type steady struct {
	next    *atomic.Int64 // number of the next request, of all signals
	taken   atomic.Int64  // requests answered 200
	again   atomic.Int64  // answers that were not 200
	stop    chan struct{}
	senders sync.WaitGroup
}

func (l *steady) run(port int, path string, perSecond int, body func(n int) []byte) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: outageClients, WriteBufferSize: 256 << 10}, Timeout: 30 * time.Second}
	url := fmt.Sprintf("http://127.0.0.1:%d%s", port, path)
	period := time.Second * outageClients / time.Duration(perSecond)
	for c := range outageClients {
		l.senders.Go(func() {
			for due := time.Now().Add(period * time.Duration(c) / outageClients); ; due = due.Add(period) {
				select {
				case <-l.stop:
					return
				case <-time.After(time.Until(due)):
				}
				b := body(int(l.next.Add(1)) - 1)
				for {
					res, err := client.Post(url, "application/x-protobuf", bytes.NewReader(b))
					if err == nil {
						res.Body.Close()
						if res.StatusCode == http.StatusOK {
							break
						}
					}
					l.again.Add(1)
					time.Sleep(100 * time.Millisecond)
				}
				l.taken.Add(1)
			}
		})
	}
}

func outage(o options) (table, error) {
	t := table{
		title: fmt.Sprintf("One of two destinations dead for %d s: %d logs/s and %d samples/s over OTLP/HTTP, zstd out",
			o.outageSeconds, outageLogs, outageSamples),
		command: "make bench, or: cd bench && go run . outage",
		head: []string{"program", "healthy one's delay before, ms", "during", "RSS MiB after 1/4 of the outage", "at its end", "CPU µs/item during",
			"drain, s", "drain rate to intake", "requests lost, healthy / dead", "repeated, healthy / dead", "not answered 200"},
		notes: []string{
			"One run. The delay is from sending to arrival, median and 99th percentile. Every request has a number, and the destinations count them: lost is what was answered 200 and never came.",
			"The load goes on while the queue drains; the rate counts what came in meanwhile. Sluice answers after fsync; the Collector's file_storage does not by default. max_elapsed_time is 0 for both.",
		},
	}
	for _, s := range outageSubjects {
		row, err := outageRun(o, s)
		if err != nil {
			return t, fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintln(os.Stderr, strings.Join(row, " | "))
		t.rows = append(t.rows, row)
	}
	return t, nil
}

func outageRun(o options, s subject) ([]string, error) {
	healthy, err := newNumbered()
	if err != nil {
		return nil, err
	}
	defer healthy.close()
	dead, err := newNumbered()
	if err != nil {
		return nil, err
	}
	defer dead.close()
	in, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-outage-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	queues := filepath.Join(dir, "queues")
	if err := os.Mkdir(queues, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(outageConfig(in, healthy.port, dead.port, queues)), 0o600); err != nil {
		return nil, err
	}
	args := []string{"--config", file}
	if strings.HasPrefix(s.name, "Sluice") {
		args = append(args, "--data-dir", dir)
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, s.binary(o), args...)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	length := time.Duration(o.outageSeconds) * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), 4*length+5*time.Minute)
	defer cancel()
	if err := p.waitFor(ctx, "listener", listening(in)); err != nil {
		return nil, err
	}
	logs, err := logRequestsOf(distinctRequests, outageLogsPer-1)
	if err != nil {
		return nil, err
	}
	points := pointRequest(outageSamplesPer - 1)
	load := &steady{next: &atomic.Int64{}, stop: make(chan struct{})}
	load.run(in, "/v1/logs", outageLogs/outageLogsPer, func(n int) []byte { return append(numberedLog(n), logs[n%len(logs)]...) })
	load.run(in, "/v1/metrics", outageSamples/outageSamplesPer, func(n int) []byte { return append(numberedMetric(n), points...) })
	sleep := func(d time.Duration) error {
		select {
		case err := <-p.end:
			return p.failed(fmt.Errorf("ended: %v", err))
		case <-time.After(d):
			return nil
		}
	}
	if err := sleep(outageUsual / 4); err != nil {
		return nil, err
	}
	healthy.takeDelays()
	if err := sleep(outageUsual); err != nil {
		return nil, err
	}
	before := healthy.takeDelays()
	dead.away.Store(true)
	cpu, err := p.cpu()
	if err != nil {
		return nil, err
	}
	takenBefore := load.taken.Load()
	if err := sleep(length / 4); err != nil {
		return nil, err
	}
	early, err := p.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	if err := sleep(length - length/4); err != nil {
		return nil, err
	}
	during := healthy.takeDelays()
	late, err := p.memory("VmRSS")
	if err != nil {
		return nil, err
	}
	after, err := p.cpu()
	if err != nil {
		return nil, err
	}
	items := float64(load.taken.Load()-takenBefore) * (outageLogs + outageSamples) / (outageLogs/outageLogsPer + outageSamples/outageSamplesPer)
	dead.away.Store(false)
	back := time.Now()
	had, _ := dead.counts()
	drained := false
	if err := p.waitFor(ctx, "end of the drain", func() bool {
		got, _ := dead.counts()
		drained = int64(got) >= load.taken.Load()-2*outageClients
		return drained || time.Since(back) > drainLimit+2*length
	}); err != nil {
		return nil, err
	}
	drain := time.Since(back)
	took := fmt.Sprintf("%.0f", drain.Seconds())
	if !drained {
		took = "over " + took
	}
	came, _ := dead.counts()
	intake := float64(outageLogs/outageLogsPer + outageSamples/outageSamplesPer)
	rate := float64(came-had) / drain.Seconds() / intake
	close(load.stop)
	load.senders.Wait()
	total := int(load.taken.Load())
	settled := time.Now().Add(30 * time.Second)
	_ = p.waitFor(ctx, "everything", func() bool {
		a, _ := healthy.counts()
		b, _ := dead.counts()
		return a >= total && b >= total || time.Now().After(settled)
	})
	time.Sleep(2 * time.Second) // for what comes twice
	a, twiceA := healthy.counts()
	b, twiceB := dead.counts()
	delay := func(d []time.Duration) string {
		if len(d) == 0 {
			return "–"
		}
		return fmt.Sprintf("%.0f / %.0f", d[len(d)/2].Seconds()*1e3, d[len(d)*99/100].Seconds()*1e3)
	}
	return []string{s.name, delay(before), delay(during), fmt.Sprintf("%.0f", early), fmt.Sprintf("%.0f", late),
		fmt.Sprintf("%.2f", (after-cpu).Seconds()*1e6/items), took, fmt.Sprintf("%.1f", rate),
		fmt.Sprintf("%d / %d of %d", total-a, total-b, total), fmt.Sprintf("%d / %d", twiceA, twiceB), strconv.FormatInt(load.again.Load(), 10)}, nil
}
