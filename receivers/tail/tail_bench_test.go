package tail

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// BenchmarkTail runs the whole receiver on a file of 200 B CRI lines in the disk cache, with an empty sink. cpu-ns/line is
// the process' user and system time.
func BenchmarkTail(b *testing.B) {
	const records = 1 << 20
	dir := tempDir(b)
	path := filepath.Join(dir, "pods", "ns_pod_0123", "app", "0.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	body := strings.Repeat("GET /api/v1/items?page=7 200 ", 6)[:154]
	at := time.Date(2026, 1, 2, 3, 4, 5, 1, time.UTC)
	for i := range records {
		fmt.Fprintf(w, "%s stdout F %s\n", at.Add(time.Duration(i)*20*time.Microsecond+1).Format("2006-01-02T15:04:05.000000000Z07:00"), body)
	}
	w.Flush()
	f.Close()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(info.Size())
	var cpu time.Duration
	for b.Loop() {
		s, _ := pipelinetest.Settings(b, pipeline.KindReceiver, "tail")
		cfg := Default()
		cfg.Include = []string{filepath.Join(dir, "pods/*/*/*.log")}
		cfg.StartAt = startAtBeginning
		var sink pipelinetest.Counter
		r, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, &sink), pipeline.Logs))
		if err != nil {
			b.Fatal(err)
		}
		before := cpuTime()
		if err := r.Start(context.Background()); err != nil {
			b.Fatal(err)
		}
		for sink.Items.Load() < records {
			time.Sleep(time.Millisecond)
		}
		cpu += cpuTime() - before
		if err := r.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N)/records, "cpu-ns/line")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/line")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIdle is what 20,000 files at rest in 2,000 folders cost: CPU in parts of one core, and heap a file. One
// op is a second.
func BenchmarkIdle(b *testing.B) {
	const pods, containers = 2000, 10
	dir := tempDir(b)
	for p := range pods {
		for c := range containers {
			write(b, filepath.Join(dir, fmt.Sprintf("pods/ns_pod-%d_uid/app%d/0.log", p, c)), "2026-01-02T03:04:05.1Z stdout F a line\n")
		}
	}
	s, _ := pipelinetest.Settings(b, pipeline.KindReceiver, "tail")
	cfg := Default()
	cfg.Include = []string{filepath.Join(dir, "pods/*/*/*.log")}
	cfg.StartAt = startAtBeginning
	var sink pipelinetest.Counter
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := New(s, cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, &sink), pipeline.Logs))
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		b.Fatal(err)
	}
	begin := time.Now()
	for sink.Items.Load() < pods*containers {
		time.Sleep(10 * time.Millisecond)
	}
	all := time.Since(begin)
	for r.reader.OpenFiles() > 0 && time.Since(begin) < 2*time.Minute {
		time.Sleep(100 * time.Millisecond)
	}
	cpu, from := cpuTime(), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*float64(cpuTime()-cpu)/float64(time.Since(from)), "%core")
	b.ReportMetric(all.Seconds(), "s-to-read-all")
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(pods*containers), "heap-B/file")
	if err := r.Stop(context.Background()); err != nil {
		b.Fatal(err)
	}
}
