package host

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// series lists the metric names of a request with their number of points, and the base labels of its scopes.
func series(r wire.Request) (points map[string]int, job, instance string) {
	points = map[string]int{}
	for res := r.Resources(); res.Next(); {
		for sc := res.Scopes(); sc.Next(); {
			attrs := wire.ParseScope(sc.Scope()).Attributes()
			if v, ok := attrs.Find("job"); ok {
				job = string(v.Str())
			}
			if v, ok := attrs.Find("instance"); ok {
				instance = string(v.Str())
			}
			for it := sc.Items(); it.Next(); {
				m := wire.ParseMetric(it.Bytes())
				for p := m.Points(); p.Next(); {
					points[string(m.Name)]++
				}
			}
		}
	}
	return points, job, instance
}

func TestTheMachineIsRead(t *testing.T) {
	sink := &pipelinetest.Recorder{}
	s, ledger := pipelinetest.Settings(t, pipeline.KindReceiver, "host")
	cfg := Default()
	cfg.CollectionInterval, cfg.Instance = 100*time.Millisecond, "laptop"
	out := pipeline.OutputsTo(s.Entrance(pipeline.Metrics, sink), pipeline.Metrics)
	v, err := New(s, cfg, out)
	if err != nil {
		t.Fatal(err)
	}
	r := v.(*Receiver)
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); len(sink.Batches()) < 3; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatal("no readings")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for i, b := range sink.Batches() {
		if _, _, err := wire.Check(wire.Metrics, b.Request, wire.Limits{}); err != nil {
			t.Fatalf("reading %d is not OTLP: %v", i, err)
		}
		points, job, instance := series(b.Request)
		if job != "node" || instance != "laptop" {
			t.Errorf("reading %d is of job %q, instance %q", i, job, instance)
		}
		for _, name := range []string{"node_cpu_seconds_total", "node_memory_MemAvailable_bytes", "node_load1", "node_uname_info", "node_network_receive_bytes_total", "node_scrape_collector_success", "up"} {
			if points[name] == 0 {
				t.Errorf("reading %d lacks %s", i, name)
			}
		}
		if n := wire.Count(wire.Metrics, b.Request); n != b.Items {
			t.Errorf("reading %d says %d items and has %d", i, b.Items, n)
		}
	}
	if gap := ledger.Unaccounted(); gap != 0 {
		t.Errorf("%d items unaccounted for", gap)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	cfg := &Config{Collectors: []string{"cpu", "nonsense", "textfile"}, Exclude: []string{"cpu", "nonsense", "textfile"}, ExcludeDisks: "("}
	err := cfg.Validate()
	for _, want := range []string{`"collection_interval"`, `"backlog_bytes"`, `"procfs"`, `"sysfs"`, `"rootfs"`, `"nonsense"`, `leaves no collector`, `"exclude_disks"`, `set "textfile_directories"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in: %v", want, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestEachComplaintIsMadeOnce(t *testing.T) {
	var b bytes.Buffer
	log := quiet(slog.New(slog.NewTextHandler(&b, nil)), nil).With("collector", "x")
	for range 3 {
		log.Error("collector failed", "name", "zfs", "err", "no zfs")
		log.Error("collector failed", "name", "rapl", "err", "no right")
		log.Info("chatter")
	}
	if n := strings.Count(b.String(), "collector failed"); n != 2 || strings.Contains(b.String(), "chatter") || strings.Contains(b.String(), "ERROR") {
		t.Errorf("got:\n%s", b.String())
	}
}

func BenchmarkRead(b *testing.B) {
	s, _ := pipelinetest.Settings(b, pipeline.KindReceiver, "host")
	v, err := New(s, Default(), pipeline.OutputsTo(&pipelinetest.Counter{}, pipeline.Metrics))
	if err != nil {
		b.Fatal(err)
	}
	r := v.(*Receiver)
	if err := r.open(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.read()
	}
	b.ReportMetric(float64(r.template.Series()), "series")
}
