package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto"
)

// asBytes sends a request that is encoded already.
type asBytes struct{ encoding.Codec }

func (asBytes) Marshal(v any) ([]byte, error) {
	if b, is := v.([]byte); is {
		return b, nil
	}
	return nil, fmt.Errorf("cannot send a %T", v)
}
func (asBytes) Unmarshal([]byte, any) error { return nil }
func (asBytes) Name() string                { return "proto" }

// TestMemoryLimitIsTheProcess: 600 concurrent requests of 500 logs (215 kB) to a destination that takes 400 ms, with
// limit_mib 400. The process stays within 10 % of it, and the rest is refused.
func TestMemoryLimitIsTheProcess(t *testing.T) {
	const clients, limit = 600, 400
	dir := t.TempDir()
	sink := newOTLPSink(t)
	sink.wait.Store(int64(400 * time.Millisecond))
	p := ports(t, 3)
	cfg := file(t, dir, "collector.yaml", `receivers:
  otlp: {protocols: {grpc: {endpoint: 127.0.0.1:%d, max_recv_msg_size_mib: 16}}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: %d, spike_limit_mib: 80}
  batch: {}
exporters:
  otlp_http: {endpoint: "http://127.0.0.1:%d"}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
service:
  extensions: [health_check]
  telemetry: {metrics: {address: 127.0.0.1:%d}}
  pipelines:
    logs: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp_http]}
`, p[0], limit, sink.port, p[1], p[2])
	c := run(t, "sluice-collector", "--config", cfg, "--data-dir", dir+"/state").ready(p[1])
	body := numberedRequest(strings.Repeat("a service that says much ", 15), 0, 500)
	t.Logf("requests of %d bytes", len(body))
	method := collector.LogsService_Export_FullMethodName
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Second)
	defer cancel()
	var taken, refused atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		conn, err := grpc.NewClient(fmt.Sprintf("127.0.0.1:%d", p[0]), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for range clients / 20 {
			all.Go(func() {
				for ctx.Err() == nil {
					if err := conn.Invoke(ctx, method, body, nil, grpc.ForceCodec(asBytes{})); err != nil {
						refused.Add(1)
						time.Sleep(200 * time.Millisecond)
						continue
					}
					taken.Add(1)
				}
			})
		}
	}
	all.Wait()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var peak int
	for line := range strings.Lines(string(status)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			fmt.Sscan(rest, &peak)
		}
	}
	t.Logf("%d requests taken, %d refused, at most %d MiB", taken.Load(), refused.Load(), peak/1024)
	if peak/1024 > limit*11/10 {
		t.Errorf("the process took %d MiB with a limit of %d", peak/1024, limit)
	}
	if taken.Load() == 0 {
		t.Error("nothing was taken")
	}
	if n := unaccounted(t, p[2]); n != 0 {
		t.Errorf("%v items are unaccounted for", n)
	}
}
