package template

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// nodeBody is an exposition in the manner of a node exporter with 1,500 series. Of its values, share change from
// round to round.
func nodeBody(round int, share float64) []byte {
	r := rand.New(rand.NewPCG(7, 7)) // which series change, and what they are, is the same each round
	var b strings.Builder
	n := 0
	add := func(name, lset string, scale float64) {
		v := r.Float64() * scale
		if r.Float64() < share {
			v += float64(round) * (1 + v/1000)
		}
		if scale > 1e6 {
			v = float64(int64(v))
		} else {
			v = float64(int64(v*100)) / 100
		}
		b.WriteString(name + lset + " " + strconv.FormatFloat(v, 'g', -1, 64) + "\n")
		n++
	}
	head := func(name, typ string) {
		b.WriteString("# HELP " + name + " What it is.\n# TYPE " + name + " " + typ + "\n")
	}
	head("node_cpu_seconds_total", "counter")
	for cpu := range 32 {
		for _, m := range []string{"idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"} {
			add("node_cpu_seconds_total", fmt.Sprintf(`{cpu="%d",mode="%s"}`, cpu, m), 1e5)
		}
	}
	for i := range 24 {
		name := fmt.Sprintf("node_disk_metric_%d_total", i)
		head(name, "counter")
		for d := range 8 {
			add(name, fmt.Sprintf(`{device="nvme%dn1"}`, d), 1e12)
		}
	}
	for i := range 30 {
		name := fmt.Sprintf("node_network_metric_%d_bytes_total", i)
		head(name, "counter")
		for d := range 12 {
			add(name, fmt.Sprintf(`{device="veth%08x"}`, d*77777777), 1e10)
		}
	}
	for i := range 6 {
		name := fmt.Sprintf("node_filesystem_metric_%d", i)
		head(name, "gauge")
		for d := range 20 {
			add(name, fmt.Sprintf(`{device="/dev/mapper/vg-%d",fstype="ext4",mountpoint="/var/lib/data/%d"}`, d, d), 1e12)
		}
	}
	for i := 0; n < 1500; i++ {
		name := fmt.Sprintf("node_memory_Metric%d_bytes", i)
		head(name, "gauge")
		add(name, "", 1e11)
	}
	return []byte(b.String())
}

const benchRounds = 8

// cpuTime measures the time of the process on a processor, which on a shared machine says more than the clock.
type cpuTime time.Duration

func startCPU() cpuTime { return cpuTime(usedCPU()) }

func usedCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c cpuTime) report(b *testing.B, samples int) {
	b.ReportMetric(float64(usedCPU()-time.Duration(c))/float64(b.N)/float64(samples), "cpu-ns/sample")
}

func BenchmarkScrape(b *testing.B) {
	for _, share := range []float64{1, 0.3, 0} {
		b.Run(fmt.Sprintf("changed=%.0f%%", share*100), func(b *testing.B) {
			var bodies [][]byte
			for i := range benchRounds {
				bodies = append(bodies, nodeBody(i, share))
			}
			benchScrape(b, bodies, textType)
		})
	}
	b.Run("histograms", func(b *testing.B) {
		var bodies [][]byte
		for i := range benchRounds {
			bodies = append(bodies, histogramBody(i))
		}
		benchScrape(b, bodies, textType)
	})
	b.Run("timestamps", func(b *testing.B) {
		var bodies [][]byte
		for i := range benchRounds {
			bodies = append(bodies, []byte(strings.ReplaceAll(string(stripComments(nodeBody(i, 1))), "\n", fmt.Sprintf(" %d\n", 1700000000000+i*15000))))
		}
		benchScrape(b, bodies, textType)
	})
	b.Run("churn=1%", func(b *testing.B) {
		var bodies [][]byte
		for i := range benchRounds {
			bodies = append(bodies, []byte(strings.ReplaceAll(string(nodeBody(i, 1)), "/var/lib/data/1", fmt.Sprintf("/var/lib/data/%d", 1+i%2))))
		}
		benchScrape(b, bodies, textType)
	})
	b.Run("shuffled", func(b *testing.B) {
		var bodies [][]byte
		for i := range benchRounds {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			lines := strings.SplitAfter(string(stripComments(nodeBody(i, 1))), "\n")
			r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			bodies = append(bodies, []byte(strings.Join(lines, "")))
		}
		benchScrape(b, bodies, textType)
	})
	b.Run("first", func(b *testing.B) {
		body := nodeBody(0, 1)
		b.ReportAllocs()
		cpu := startCPU()
		for b.Loop() {
			t := New(settings())
			_ = t.Scrape(Input{Time: time.Now(), Body: body, ContentType: textType})
			_ = t.AppendRequest(nil)
		}
		cpu.report(b, 1500)
	})
}

func stripComments(body []byte) []byte {
	var out []byte
	for l := range strings.Lines(string(body)) {
		if l[0] != '#' {
			out = append(out, l...)
		}
	}
	return out
}

func histogramBody(round int) []byte {
	var b strings.Builder
	b.WriteString("# TYPE http_request_duration_seconds histogram\n")
	for path := range 100 {
		l := fmt.Sprintf(`handler="/api/v1/thing/%d",method="GET",le=`, path)
		for i, le := range []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"} {
			fmt.Fprintf(&b, "http_request_duration_seconds_bucket{%s\"%s\"} %d\n", l, le, (i+1)*(round+path+1))
		}
		fmt.Fprintf(&b, "http_request_duration_seconds_sum{handler=\"/api/v1/thing/%d\",method=\"GET\"} %v\n", path, float64(round)*1.5)
		fmt.Fprintf(&b, "http_request_duration_seconds_count{handler=\"/api/v1/thing/%d\",method=\"GET\"} %d\n", path, 13*(round+path+1))
	}
	return []byte(b.String())
}

func benchScrape(b *testing.B, bodies [][]byte, typ string) {
	t := New(settings())
	var dst []byte
	now := time.Now()
	scrape := func(i int) Result {
		res := t.Scrape(Input{Time: now.Add(time.Duration(i) * time.Second), Body: bodies[i%len(bodies)], ContentType: typ})
		if res.Err != nil {
			b.Fatal(res.Err)
		}
		dst = t.AppendRequest(dst[:0])
		return res
	}
	n := scrape(0).Scraped
	for i := range 2 * len(bodies) {
		scrape(i + 1)
	}
	i := 2*len(bodies) + 1
	b.ReportAllocs()
	cpu := startCPU()
	for b.Loop() {
		scrape(i)
		i++
	}
	cpu.report(b, n)
	b.ReportMetric(float64(t.Bytes())/float64(n), "state-B/sample")
	b.ReportMetric(float64(len(dst))/float64(n), "otlp-B/sample")
}

// BenchmarkPrometheus is what Prometheus does with the same bodies: its parser alone, and its scrape loop's work for
// each sample with an appender that only counts (both caches asked, staleness tracked).
func BenchmarkPrometheus(b *testing.B) {
	var bodies [][]byte
	for i := range benchRounds {
		bodies = append(bodies, nodeBody(i, 1))
	}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		cpu := startCPU()
		for b.Loop() {
			p, _ := textparse.New(bodies[i%benchRounds], textType, labels.NewSymbolTable(), textparse.ParserOptions{})
			i++
			for {
				if _, err := p.Next(); err == io.EOF {
					break
				}
				p.Series()
			}
		}
		cpu.report(b, 1500)
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		l := &promLoop{series: map[string]*promEntry{}, dropped: map[string]*uint64{}, cur: map[uint64]*promEntry{}, prev: map[uint64]*promEntry{}}
		i := 0
		l.append(bodies[0])
		cpu := startCPU()
		for b.Loop() {
			l.append(bodies[i%benchRounds])
			i++
		}
		cpu.report(b, 1500)
	})
}

// promLoop is the inner loop of Prometheus' scrape loop without its storage.
type promLoop struct {
	series     map[string]*promEntry
	dropped    map[string]*uint64
	cur, prev  map[uint64]*promEntry
	iter       uint64
	count, ref uint64
}

type promEntry struct {
	ref, iter, hash uint64
	lset            labels.Labels
}

func (l *promLoop) append(body []byte) {
	p, _ := textparse.New(body, textType, labels.NewSymbolTable(), textparse.ParserOptions{})
	var lset labels.Labels
	for {
		e, err := p.Next()
		if err != nil {
			break
		}
		if e != textparse.EntrySeries {
			continue
		}
		met, _, _ := p.Series()
		if _, ok := l.dropped[string(met)]; ok {
			continue
		}
		ce, ok := l.series[string(met)]
		if !ok {
			p.Labels(&lset)
			l.ref++
			ce = &promEntry{ref: l.ref, hash: lset.Hash(), lset: lset}
			l.series[string(met)] = ce
		}
		ce.iter = l.iter
		l.count++
		l.cur[ce.ref] = ce
	}
	for ref := range l.prev {
		if _, ok := l.cur[ref]; !ok {
			l.count++
		}
	}
	l.prev, l.cur = l.cur, l.prev
	clear(l.cur)
	l.iter++
}
