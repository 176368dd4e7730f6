package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// An ordeal is a collector with a queue on disk in front of a hostile destination, clients that repeat what is not
// answered 200, and an operator who does all that one may do to it. No counter of ours is believed.
type ordeal struct {
	t        *testing.T
	dir      string
	p        []int // intake, metrics, health
	book     *records
	sink     *hostile
	calm     *hostile // where `queue replay` sends
	now      setting
	c        *process
	dropped  map[string]bool // by `queue drop`
	pause    sync.RWMutex    // held for reading by a client that sends
	did      map[string]int
	last     []string
	intake   int               // where the clients send
	own      map[string]func() // actions of a test
	size     int               // of the queue, in bytes
	lossy    bool              // what is dropped need not be a dead letter
	clients  sync.WaitGroup
	stop     atomic.Bool
	produced []int
	signals  []string
}

// A setting is what a reload may change of the exporter.
type setting struct {
	name, storage, encoding, more string
	consumers                     int
}

func (o *ordeal) config() string {
	s := o.now
	return file(o.t, o.dir, "o.yaml", `receivers:
  otlp: {protocols: {http: {endpoint: 127.0.0.1:%d}}}
exporters:
  otlp_http/%s: {endpoint: "http://127.0.0.1:%d", compression: %s, timeout: 800ms, sending_queue: {storage: file_storage/%s, sizer: bytes, queue_size: %d, num_consumers: %d%s}}
extensions:
  health_check: {endpoint: 127.0.0.1:%d}
  file_storage/one: {directory: %s/one, create_directory: true, min_free_disk_mib: 0}
  file_storage/two: {directory: %[10]s/two, create_directory: true, min_free_disk_mib: 0}
service:
  extensions: [health_check, file_storage/one, file_storage/two]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 127.0.0.1, port: %[11]d}}}}]}}
  pipelines:
    logs: {receivers: [otlp], exporters: [otlp_http/%[2]s]}
    traces: {receivers: [otlp], exporters: [otlp_http/%[2]s]}
    metrics: {receivers: [otlp], exporters: [otlp_http/%[2]s]}
`, o.p[0], s.name, o.sink.port, s.encoding, s.storage, o.size, s.consumers, s.more, o.p[2], o.dir, o.p[1])
}

func (o *ordeal) start() {
	o.c = run(o.t, "sluice-collector", "--config", o.config(), "--data-dir", o.dir+"/state").ready(o.p[2])
}

// queue is the folder of the exporter's queue.
func (o *ordeal) queue() string {
	return o.dir + "/" + o.now.storage + "/exporter_otlp_http_" + o.now.name
}

// client sends until it is stopped, and repeats what is not answered 200.
func (o *ordeal) client(i int) {
	signal, source := o.signals[i], "client-"+strconv.Itoa(i)
	for !o.stop.Load() {
		body, keys := numberedOf(signal, source, o.produced[i], 40)
		for {
			o.pause.RLock()
			res, err := client.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/%s", o.intake, signal), "application/x-protobuf", bytes.NewReader(body))
			o.pause.RUnlock()
			if err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					break
				}
				if res.StatusCode != http.StatusServiceUnavailable && res.StatusCode != http.StatusTooManyRequests {
					o.t.Errorf("a client was answered %d", res.StatusCode)
				}
			} else if !strings.Contains(err.Error(), "connection refused") {
				o.book.excuse(keys, true) // it may be stored
			}
			time.Sleep(20 * time.Millisecond)
		}
		o.produced[i] += len(keys)
		time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
}

func pick[T any](from ...T) T { return from[rand.IntN(len(from))] }

func (o *ordeal) reload() {
	before := strings.Count(o.c.out.String(), "msg=reloaded")
	o.config()
	o.c.signal(syscall.SIGHUP)
	eventually(o.t, 20*time.Second, "the reload", func() bool { return strings.Count(o.c.out.String(), "msg=reloaded") > before })
}

// terminate is SIGTERM. What the destination was asked and did not answer by then may come again.
func (o *ordeal) terminate() {
	o.c.terminate()
	o.book.mu.Lock()
	defer o.book.mu.Unlock()
	for _, f := range o.book.of {
		if f.taken > 0 && (f.open > 0 || time.Since(f.last) < 30*time.Millisecond) {
			f.excused++
		}
	}
}

var itemsIn = regexp.MustCompile(`(\d+) items`)

// harm is what is done to a file while no daemon runs.
func harm(t *testing.T, name string) {
	b, err := os.ReadFile(name)
	if err != nil {
		return
	}
	switch rand.IntN(4) {
	case 0:
		b = b[:rand.IntN(len(b)+1)]
	case 1:
		if len(b) > 0 {
			b[rand.IntN(len(b))] ^= 1 << rand.IntN(8)
		}
	case 2:
		for i := range b {
			b[i] = byte(rand.Int())
		}
	default:
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
		return
	}
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Error(err)
	}
}

// act does one thing.
func (o *ordeal) act(what string) {
	o.did[what]++
	o.last = append(o.last, what)
	if f := o.own[what]; f != nil {
		f()
		return
	}
	switch what {
	case "kill":
		o.c.kill()
		o.book.killed(false)
		o.start()
	case "terminate":
		o.terminate()
		o.start()
	case "rests", "cursor":
		o.terminate()
		old := o.queue() + "/rests"
		if what == "cursor" {
			all, _ := filepath.Glob(o.queue() + "/*/cursor")
			if len(all) == 0 {
				all = []string{old}
			}
			old = pick(all...)
		}
		harm(o.t, old)
		o.book.killed(true)
		o.start()
	case "interrupted": // a reload, by the end. With SLUICE_ACTIONS only: nothing is lost, but more comes twice than the oracle can explain
		o.now.name, o.now.storage = pick("a", "b"), pick("one", "two")
		o.config()
		o.c.signal(syscall.SIGHUP)
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		if rand.IntN(2) == 0 {
			o.terminate()
		} else {
			o.c.kill()
			o.book.killed(false)
		}
		o.start()
	case "consumers":
		o.now.consumers = pick(1, 3, 10)
		o.reload()
	case "encoding":
		o.now.encoding = pick("none", "gzip", "zstd")
		o.reload()
	case "more":
		o.now.more = pick("", ", recovery: fresh_first", ", batch: {}", ", batch: {min_size: 50, max_size: 50, flush_timeout: 50ms}")
		o.reload()
	case "rename":
		o.now.name = pick("a", "b")
		o.reload()
	case "move":
		o.now.storage = pick("one", "two")
		o.reload()
	case "export":
		o.sluice("queue", "export", o.queue(), "--signal", "logs", "--out", filepath.Join(o.t.TempDir(), "x"))
		o.sluice("queue", "ls", "--config", o.dir+"/o.yaml", "--data-dir", o.dir+"/state")
		o.sluice("queue", "inspect", o.queue())
		o.sluice("queue", "verify", o.queue())
	case "replay":
		o.sluice("queue", "replay", o.queue(), "--to", "http://127.0.0.1:"+strconv.Itoa(o.calm.port), "--confirm", "--data-dir", o.dir+"/state")
	case "fill":
		o.fill()
	case "full":
		o.now.more = pick(", on_full: drop_oldest", ", on_full: drop_newest", ", block_on_overflow: true", ", on_full: drop_oldest, max_age: 2s", "")
		o.size = pick(2000, 20000, 200000)
		o.reload()
	case "drop":
		o.drop()
	case "drain":
		o.sluice("queue", "drain", "--timeout", "1s", "--data-dir", o.dir+"/state")
	}
}

// fill leaves a few bytes on the disk of the queues, for a while.
func (o *ordeal) fill() {
	var st syscall.Statfs_t
	if err := syscall.Statfs(o.dir+"/one", &st); err != nil {
		o.t.Error(err)
	}
	free := int(st.Bavail) * int(st.Bsize)
	name := o.dir + "/one/fill"
	_ = os.WriteFile(name, make([]byte, max(0, free-pick(0, 4096, 50000))), 0o600)
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
	if rand.IntN(2) == 0 {
		o.c.kill()
		o.book.killed(true) // no cursor was saved
		o.start()
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond)
	}
	if err := os.Remove(name); err != nil {
		o.t.Error(err)
	}
}

// drop gives up all that is stored, while nothing comes and nothing goes, so that the oracle knows what that is.
func (o *ordeal) drop() {
	o.pause.Lock()
	defer o.pause.Unlock()
	o.sink.mood.Store(101)
	time.Sleep(600 * time.Millisecond) // requests end
	stored := map[string]int{}         // a client that met a kill has repeated
	for _, signal := range []string{"logs", "traces", "metrics"} {
		o.exported(o.queue(), signal, stored)
	}
	out := o.sluice("queue", "drop", o.queue(), "--confirm", "--data-dir", o.dir+"/state")
	if m := itemsIn.FindStringSubmatch(out); m != nil {
		if n, _ := strconv.Atoi(m[1]); n > sum(stored) {
			o.t.Errorf("%d items are stored, and this is dropped: %s", sum(stored), out)
		}
	}
	for k := range stored {
		o.dropped[k] = true
	}
}

func (o *ordeal) sluice(args ...string) string {
	out, ok := sluice(o.t, args...)
	if !ok && args[1] != "drain" && args[1] != "replay" && !strings.Contains(out, "no such file") {
		o.t.Errorf("%v: %s", args, out)
	}
	return out
}

// beginOrdeal starts everything. change comes before.
func beginOrdeal(t *testing.T, change ...func(*ordeal)) *ordeal {
	o := &ordeal{t: t, dir: t.TempDir(), p: ports(t, 3), book: &records{of: map[string]*fate{}}, dropped: map[string]bool{}, did: map[string]int{},
		signals: []string{"logs", "logs", "traces", "metrics"}, produced: make([]int, 4), size: 1e9, now: setting{"a", "one", "zstd", "", 3}}
	o.sink, o.calm = newHostile(t, o.book), newHostile(t, o.book)
	o.intake = o.p[0]
	for _, f := range change {
		f(o)
	}
	o.start()
	for i := range o.signals {
		o.clients.Go(func() { o.client(i) })
	}
	return o
}

// during acts at random for so long, in front of a destination whose mood changes.
func (o *ordeal) during(d time.Duration, actions ...string) {
	end := time.Now().Add(d)
	for time.Now().Before(end) && !o.t.Failed() {
		o.sink.mood.Store(pick[int64](0, 10, 30, 60, 101))
		time.Sleep(time.Duration(rand.IntN(700)) * time.Millisecond)
		if n := unaccounted(o.t, o.p[1]); n != 0 {
			o.t.Errorf("%v items unaccounted for after %v", n, o.last)
		}
		if len(actions) > 0 {
			o.act(pick(actions...))
		}
	}
	var asked []string
	faults := int64(0)
	for i := range o.sink.asked {
		if i != faultNone {
			faults += o.sink.asked[i].Load()
		}
		asked = append(asked, fmt.Sprintf("%d:%d", i, o.sink.asked[i].Load()))
	}
	if faults < 10 || len(o.did) == 0 {
		o.t.Errorf("%d faults, did %v; the test proves little", faults, o.did)
	}
	o.t.Logf("did %v; answers %s", o.did, strings.Join(asked, " "))
}

// ordealTime is how long an ordeal lasts: SLUICE_ORDEAL, or longer in make faults.
func ordealTime() time.Duration {
	d, err := time.ParseDuration(os.Getenv("SLUICE_ORDEAL"))
	switch {
	case err == nil:
	case os.Getenv("SLUICE_FAULTS") != "":
		d = 45 * time.Second
	default:
		d = 5 * time.Second
	}
	return d
}

// TestQueueOrdeal: kills, stops, reloads, renames, moves, commands, damage to small files.
func TestQueueOrdeal(t *testing.T) {
	t.Parallel()
	o := beginOrdeal(t)
	actions := []string{"kill", "terminate", "rests", "cursor", "consumers", "encoding", "more", "rename", "move", "export", "replay", "drop", "drain"}
	if only := os.Getenv("SLUICE_ACTIONS"); only != "" {
		actions = strings.Split(only, ",")
	}
	o.during(ordealTime(), actions...)
	o.settle()
	o.check()
	o.c.terminate()
}

// TestQueueOrdealCounted: without a restart our counters say what became of each record.
func TestQueueOrdealCounted(t *testing.T) {
	t.Parallel()
	o := beginOrdeal(t)
	o.during(ordealTime(), "consumers", "encoding", "more", "rename", "move", "export")
	o.settle()
	missing := o.check()
	if n := sumOf(t, o.p[1], "sluice_component_dropped_items_total"); int(n) != missing {
		t.Errorf("%v items are counted as dropped, %d are missing", n, missing)
	}
	o.c.terminate()
}

// TestQueueOrdealCaps: a queue that is full, and drops; without a restart our counters say what became of each record.
func TestQueueOrdealCaps(t *testing.T) {
	t.Parallel()
	o := beginOrdeal(t)
	o.lossy = true
	o.during(ordealTime(), "consumers", "full", "rename", "full")
	o.settle()
	o.count()
	o.c.terminate()
}

// TestQueueOrdealOnAFullDisk: the disk of the queues fills and empties.
func TestQueueOrdealOnAFullDisk(t *testing.T) {
	t.Parallel()
	o := beginOrdeal(t, func(o *ordeal) {
		disk := o.dir + "/disk"
		if err := os.Mkdir(disk, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=32m"); err != nil {
			t.Skipf("cannot mount a small disk: %v", err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
		o.dir = disk
		o.lossy = true
	})
	o.during(ordealTime(), "fill", "fill", "consumers", "rename", "move", "encoding", "terminate")
	o.settle()
	o.check()
	o.c.terminate()
}
