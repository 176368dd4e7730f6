package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

type fleetShape struct {
	connections int
	rate        int // requests per second, over all connections
	logs        int // per request
}

var fleetShapes = []fleetShape{{1000, 2000, 20}, {50, 300, 200}}

// fleetWarmUp is the unmeasured load before, over the same connections.
const fleetWarmUp = 3 * time.Second

// maxLate is how many milliseconds the generator may be late without a note.
const maxLate = 10

var fleetSubjects = []subject{
	{name: "Sluice", binary: func(o options) string { return filepath.Join(o.bin, "sluice-collector") }, config: fleetConfig,
		args: []string{"--data-dir", filepath.Join(os.TempDir(), "sluice-bench-fleet")}},
	{name: "Collector 0.158, default", binary: otelcol, config: fleetConfig},
}

// fleetConfig is the same for both: otlp in, batch, OTLP/HTTP with zstd out, with defaults.
func fleetConfig(in, out ports, _, protocol string) string {
	receiver := fmt.Sprintf("http: {endpoint: 127.0.0.1:%d}", in.http)
	if protocol == "gRPC" {
		receiver = fmt.Sprintf("grpc: {endpoint: 127.0.0.1:%d}", in.grpc)
	}
	return fmt.Sprintf(`receivers:
  otlp:
    protocols:
      %s
processors:
  batch: {}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:%d
    compression: zstd
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}
`, receiver, out.http)
}

type fleetFigure struct{ cpu, out, wire, rss, median, high, late series }

func fleet(o options) (table, error) {
	t := table{
		title:   "Centre of a fleet: OTLP in, batch, OTLP/HTTP with zstd out, one core (GOMAXPROCS=1)",
		command: "make bench, or: cd bench && go run . fleet",
		head: []string{"load", "program", "CPU µs/log", "to Sluice's CPU", "requests out/s", "B/log out", "peak RSS MiB",
			"delay, median ms", "delay, 99th percentile ms"},
		notes: []string{
			fmt.Sprintf("Median (min–max) of %d alternating runs of %d s each after %s of warm-up over the same connections; logs of about 340 B, uncompressed in; every log counted.",
				o.fleetRuns, o.fleetSeconds, fleetWarmUp),
			"Requests come by the clock, each connection at its own time, one at once on a connection. The delay is from when a request was due to its whole answer.",
			"The Collector's batch and sending queue answer before anything is sent; Sluice answers when the destination has.",
		},
	}
	worst := 0.0
	for _, shape := range fleetShapes {
		requests, err := logRequestsOf(distinctRequests*logsPerRequest/shape.logs, shape.logs)
		if err != nil {
			return t, err
		}
		for _, protocol := range []string{"HTTP", "gRPC"} {
			figures := make([]fleetFigure, len(fleetSubjects))
			for range o.fleetRuns {
				for i, s := range fleetSubjects {
					if err := fleetRun(o, s, shape, protocol, requests, &figures[i]); err != nil {
						return t, fmt.Errorf("%s, %v over %s: %w", s.name, shape, protocol, err)
					}
				}
			}
			for i, s := range fleetSubjects {
				f := figures[i]
				worst = max(worst, slices.Max(f.late))
				load := fmt.Sprintf("%s, %d connections, %d requests/s of %d logs", protocol, shape.connections, shape.rate, shape.logs)
				t.rows = append(t.rows, []string{load, s.name, f.cpu.format(2), ratio(f.cpu, figures[0].cpu).format(1), f.out.format(1),
					f.wire.format(0), f.rss.format(0), f.median.format(1), f.high.format(1)})
			}
		}
	}
	if worst > maxLate {
		t.notes = append(t.notes, fmt.Sprintf("The generator itself sent late, by up to %.0f ms in a run's 99th percentile; the delays of that run are too long by as much.", worst))
	}
	return t, nil
}

// ownCPU returns the CPU time of this process (generator and sink).
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fleetRun(o options, s subject, shape fleetShape, protocol string, requests [][]byte, f *fleetFigure) error {
	out, err := newSink()
	if err != nil {
		return err
	}
	defer out.close()
	in := ports{}
	if in.http, err = freePort(); err != nil {
		return err
	}
	if in.grpc, err = freePort(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(s.config(in, ports{out.http, out.grpc}, "zstd", protocol)), 0o600); err != nil {
		return err
	}
	p, err := launch([]string{"GOMAXPROCS=1"}, s.binary(o), append([]string{"--config", file}, s.args...)...)
	if err != nil {
		return err
	}
	defer p.stop()
	seconds := time.Duration(o.fleetSeconds) * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), seconds+time.Minute)
	defer cancel()
	port, dial := in.http, dialHTTP
	if protocol == "gRPC" {
		port, dial = in.grpc, dialGRPC
	} else {
		requests = withHead(requests)
	}
	if err := p.waitFor(ctx, "listener", listening(port)); err != nil {
		return err
	}
	clients, err := dialAll(ctx, dial, port, shape.connections)
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	if err != nil {
		return p.failed(err)
	}
	sent := int64(0)
	load := func(d time.Duration) (delays, late []time.Duration, err error) {
		delays, late, err = openLoop(ctx, clients, requests, shape, d)
		if err != nil {
			return nil, nil, p.failed(err)
		}
		sent += int64(len(delays) * shape.logs)
		return delays, late, p.waitFor(ctx, "all logs", func() bool { return out.items.Load() >= sent })
	}
	if _, _, err := load(fleetWarmUp); err != nil {
		return err
	}
	own := ownCPU()
	before, err := p.cpu()
	if err != nil {
		return err
	}
	outBefore, bytesBefore, begin := out.requests.Load(), out.bytes.Load(), time.Now()
	delays, late, err := load(seconds)
	if err != nil {
		return fmt.Errorf("%d logs sent, %d arrived: %w", sent, out.items.Load(), err)
	}
	took := time.Since(begin)
	own = ownCPU() - own
	after, err := p.cpu()
	if err != nil {
		return err
	}
	rss, err := p.memory("VmHWM")
	if err != nil {
		return err
	}
	if err := out.check(sent); err != nil {
		return p.failed(err)
	}
	n := float64(len(delays) * shape.logs)
	slices.Sort(delays)
	slices.Sort(late)
	f.cpu = append(f.cpu, float64((after-before).Microseconds())/n)
	f.out = append(f.out, float64(out.requests.Load()-outBefore)/took.Seconds())
	f.wire = append(f.wire, float64(out.bytes.Load()-bytesBefore)/n)
	f.rss = append(f.rss, rss)
	f.median = append(f.median, delays[len(delays)/2].Seconds()*1e3)
	f.high = append(f.high, delays[len(delays)*99/100].Seconds()*1e3)
	f.late = append(f.late, late[len(late)*99/100].Seconds()*1e3)
	fmt.Fprintf(os.Stderr, "%s, %v, %s: generator and sink took %.0f %% of a core, the program %.0f %%, for %.1f s; the generator was late by %.1f ms in the 99th percentile\n",
		protocol, shape, s.name, 100*own.Seconds()/took.Seconds(), 100*(after-before).Seconds()/took.Seconds(), took.Seconds(), f.late[len(f.late)-1])
	return nil
}

// A client is one connection with at most one outstanding request.
type client interface {
	send(ctx context.Context, request []byte) error
	close() error
}

func dialAll(ctx context.Context, dial func(context.Context, string) (client, error), port, n int) ([]client, error) {
	var out []client
	for range n {
		c, err := dial(ctx, fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return out, fmt.Errorf("cannot open connection %d: %w", len(out)+1, err)
		}
		out = append(out, c)
	}
	return out, nil
}

// openLoop sends for d. Each connection has its own phase, and each request a random delay of up to a quarter of a period,
// to avoid lockstep. It returns each request's delay since it was due, and the generator's part: from due, with a free
// connection, to sent. It fails if a request is not accepted.
func openLoop(ctx context.Context, clients []client, requests [][]byte, shape fleetShape, d time.Duration) (delays, late []time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	period := time.Duration(len(clients)) * time.Second / time.Duration(shape.rate)
	each := int(d / period)
	delays, late = make([]time.Duration, len(clients)*each), make([]time.Duration, len(clients)*each)
	begin := time.Now()
	var wg sync.WaitGroup
	for i, c := range clients {
		first := i * each
		r := rand.New(rand.NewPCG(5, uint64(i)))
		phase := time.Duration(r.Int64N(int64(period) * 3 / 4))
		wg.Go(func() {
			var free time.Time
			for k := range each {
				due := begin.Add(time.Duration(k)*period + phase + time.Duration(r.Int64N(int64(period)/4)))
				time.Sleep(time.Until(due))
				if ctx.Err() != nil {
					return
				}
				late[first+k] = min(time.Since(due), time.Since(free))
				if err := c.send(ctx, requests[(i+k*len(clients))%len(requests)]); err != nil {
					cancel(fmt.Errorf("connection %d, request %d: %w", i+1, k+1, err))
					return
				}
				free = time.Now()
				delays[first+k] = free.Sub(due)
			}
		})
	}
	wg.Wait()
	return delays, late, context.Cause(ctx)
}

func withHead(bodies [][]byte) [][]byte {
	var out [][]byte
	for _, b := range bodies {
		head := fmt.Appendf(nil, "POST /v1/logs HTTP/1.1\r\nHost: centre\r\nUser-Agent: fleet\r\nContent-Type: application/x-protobuf\r\nContent-Length: %d\r\n\r\n", len(b))
		out = append(out, append(head, b...))
	}
	return out
}

type httpClient struct {
	net.Conn
	r *bufio.Reader
}

func dialHTTP(_ context.Context, address string) (client, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &httpClient{c, bufio.NewReaderSize(c, 512)}, nil
}

func (c *httpClient) close() error { return c.Conn.Close() }

func (c *httpClient) send(_ context.Context, request []byte) error {
	c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write(request); err != nil {
		return err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	status := ""
	if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
		status = string(bytes.TrimSpace(line))
	}
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return errors.New("answered without a length")
	}
	if status != "" {
		text, _ := io.ReadAll(io.LimitReader(c.r, int64(length)))
		return fmt.Errorf("answered %s: %s", status, text)
	}
	_, err = c.r.Discard(length)
	return err
}

type grpcClient struct{ *grpc.ClientConn }

// Static windows avoid the pings of bandwidth estimation.
func dialGRPC(ctx context.Context, address string) (client, error) {
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{})), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithInitialWindowSize(1<<16), grpc.WithInitialConnWindowSize(1<<16),
		grpc.WithReadBufferSize(4<<10), grpc.WithWriteBufferSize(16<<10), grpc.WithSharedWriteBuffer(true))
	if err != nil {
		return nil, err
	}
	c.Connect()
	for s := c.GetState(); s != connectivity.Ready; s = c.GetState() {
		if !c.WaitForStateChange(ctx, s) {
			c.Close()
			return nil, fmt.Errorf("connection is %s: %w", s, ctx.Err())
		}
	}
	return grpcClient{c}, nil
}

func (c grpcClient) close() error { return c.ClientConn.Close() }

func (c grpcClient) send(ctx context.Context, request []byte) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var answer []byte
	return c.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", &request, &answer)
}
