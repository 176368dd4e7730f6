package tail

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
)

// numbers is how often each number was delivered, for lines "<number> ...".
func (w *world) numbers() map[int]int {
	seen := map[int]int{}
	for _, r := range w.taken() {
		text, _, _ := strings.Cut(r.body, " ")
		n, err := strconv.Atoi(text)
		if err != nil {
			w.t.Fatalf("a torn line: %q", r.body)
		}
		seen[n]++
	}
	return seen
}

// complete waits until 0..n-1 are all there and says how many came more than once.
func (w *world) complete(n int) (doubled int) {
	w.t.Helper()
	var seen map[int]int
	w.until(func() bool { seen = w.numbers(); return len(seen) >= n }, func() string {
		var lost []int
		for i := range n {
			if seen[i] == 0 {
				lost = append(lost, i)
			}
		}
		return fmt.Sprintf("lost %d of %d, from %v; counters %v", len(lost), n, lost[:min(len(lost), 5)], w.counters())
	})
	for _, times := range seen {
		doubled += times - 1
	}
	return doubled
}

// writer writes numbered lines to a.log until stopped, rotating as it goes: a.log to a.log.1 to ... to nothing.
type writer struct {
	w       *world
	pause   time.Duration // between lines
	rotate  time.Duration // between rotations; 0: never
	keep    int           // rotated files
	stopped atomic.Bool
	written int
	done    chan struct{}
}

func (x *writer) run() {
	defer close(x.done)
	f := x.open()
	turned := time.Now()
	for !x.stopped.Load() {
		if _, err := fmt.Fprintf(f, "%d a line of some length that is not the same each time: %s\n", x.written, strings.Repeat("x", x.written%97)); err != nil {
			x.w.t.Error(err)
		}
		x.written++
		if x.rotate > 0 && time.Since(turned) > x.rotate {
			turned = time.Now()
			f.Close()
			os.Remove(x.name(x.keep))
			for i := x.keep; i > 0; i-- {
				os.Rename(x.name(i-1), x.name(i))
			}
			f = x.open()
		}
		if x.pause > 0 && x.written%10 == 0 {
			time.Sleep(x.pause)
		}
	}
	f.Close()
}

func (x *writer) name(i int) string {
	if i == 0 {
		return x.w.path("a.log")
	}
	return x.w.path("a.log." + strconv.Itoa(i))
}

func (x *writer) open() *os.File {
	f, err := os.OpenFile(x.name(0), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		x.w.t.Error(err)
	}
	return f
}

func (w *world) writer(rotate time.Duration, keep int) *writer {
	x := &writer{w: w, pause: time.Millisecond, rotate: rotate, keep: keep, done: make(chan struct{})}
	go x.run()
	return x
}

// stop ends the writer and returns how many lines it wrote.
func (x *writer) stop() int {
	x.stopped.Store(true)
	<-x.done
	return x.written
}

// TestRotationUnderLoad renames ten times a second and keeps three files: nothing is lost, nothing comes twice, and the
// lines of each file come in order.
func TestRotationUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.cfg.PollInterval = 50 * time.Millisecond
	w.start()
	x := w.writer(100*time.Millisecond, 3)
	time.Sleep(2 * time.Second)
	n := x.stop()
	if doubled := w.complete(n); doubled != 0 {
		t.Errorf("%d of %d came twice", doubled, n)
	}
	w.stop()
	if c := w.counters(); c["dropped rotated_unread"] != 0 {
		t.Error("counted as lost what was not", c)
	}
}

// TestKillUnderLoad kills and restarts the receiver while lines are written and rotated, with a sink that answers late, out
// of order and with refusals. Nothing may be lost, and duplicates are limited to a second of deliveries per kill.
func TestKillUnderLoad(t *testing.T) {
	w := newWorld(t)
	w.cfg.PollInterval = 20 * time.Millisecond
	w.answer = func(call int, b pipeline.Batch) error {
		if call%7 == 0 {
			return errors.New("now and then")
		}
		return nil
	}
	const kills = 3
	x := w.writer(400*time.Millisecond, 20)
	bound := 0
	for range kills {
		w.start()
		time.Sleep(time.Duration(1100+rand.IntN(500)) * time.Millisecond)
		// What is in flight at the kill counts as delivered here, because the sink has it.
		killed := time.Now()
		w.kill()
		for _, r := range w.taken() {
			if killed.Sub(r.at) < checkpoint.SaveEvery+200*time.Millisecond {
				bound++
			}
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	}
	w.start()
	time.Sleep(300 * time.Millisecond)
	n := x.stop()
	doubled := w.complete(n)
	w.stop()
	t.Logf("%d lines, %d doubled in %d kills, of at most %d", n, doubled, kills, bound)
	if doubled > bound {
		t.Errorf("%d of %d lines came twice, at most %d may", doubled, n, bound)
	}
}

// TestEveryByte writes a file byte by byte, looking after each.
func TestEveryByte(t *testing.T) {
	text := "2026-01-02T03:04:05.123456789Z stdout P on\n2026-01-02T03:04:05.123456789Z stderr F two\n2026-01-02T03:04:05.123456789Z stdout F e é\n"
	w := newWorld(t)
	w.cfg.PollInterval = time.Millisecond
	w.start()
	for i := range len(text) {
		w.append("a.log", text[i:i+1])
		time.Sleep(2 * time.Millisecond)
	}
	w.want("two|one é")
	w.stop()
}

// TestKillAtEveryByte kills after each byte: whatever was delivered, each record comes whole at least once.
func TestKillAtEveryByte(t *testing.T) {
	text := "0 first\n1 second\n2 third\n"
	w := newWorld(t)
	w.cfg.PollInterval = time.Millisecond
	for i := range len(text) {
		w.append("a.log", text[i:i+1])
		w.start()
		time.Sleep(3 * time.Millisecond)
		if i%2 == 0 {
			w.kill()
		} else {
			w.stop()
		}
	}
	w.start()
	w.complete(3)
	w.stop()
	for _, r := range w.taken() {
		if !slices.Contains([]string{"0 first", "1 second", "2 third"}, r.body) {
			t.Errorf("not a line: %q", r.body)
		}
	}
}

// TestOneFileOverASlowSink: a sink that takes 20 ms per answer does not limit a file to one batch per answer. It uses
// synthetic time.
func TestOneFileOverASlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const n = 100_000
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "%d %s\n", i, strings.Repeat("x", 180))
		}
		w.write("a.log", text.String())
		var delivered atomic.Int64
		slow := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			time.Sleep(20 * time.Millisecond)
			delivered.Add(int64(b.Items))
			return nil
		})
		r, err := New(w.settings, w.cfg, pipeline.OutputsTo(slow, pipeline.Logs))
		w.must(err)
		begin := time.Now()
		w.must(r.Start(t.Context()))
		w.until(func() bool { return delivered.Load() == n }, func() string { return fmt.Sprint(delivered.Load()) })
		if took := time.Since(begin); took > time.Second {
			t.Errorf("%d lines took %s: less than 100,000 a second", n, took)
		} else {
			t.Logf("%.0f lines/s", n/took.Seconds())
		}
		w.must(r.Stop(t.Context()))
	})
}

// TestManyFiles reads more files than may be open: all of them, each in order, also when a whole folder is rotated at once.
// When all are deleted, they remain only in the checkpoint, and not for long.
func TestManyFiles(t *testing.T) {
	w := newWorld(t)
	w.cfg.PollInterval = 10 * time.Millisecond
	w.cfg.MaxOpenFiles = 8
	const files, rounds = 200, 3
	w.start()
	most := int64(0)
	for round := range rounds {
		for i := range files {
			w.append(fmt.Sprintf("%03d.log", i), fmt.Sprintf("%d of %d\n", round*files+i, i))
		}
		w.until(func() bool {
			most = max(most, w.receiver.reader.OpenFiles())
			return len(w.taken()) >= (round+1)*files
		}, func() string { return fmt.Sprintf("round %d: %d records, %v", round, len(w.taken()), w.counters()) })
	}
	if doubled := w.complete(files * rounds); doubled != 0 {
		t.Errorf("%d came twice", doubled)
	}
	if most > 8 {
		t.Errorf("%d files were open", most)
	}
	last := map[string]int{}
	for _, r := range w.taken() {
		n, _ := strconv.Atoi(strings.Fields(r.body)[0])
		if before, ok := last[r.file]; ok && n < before {
			t.Errorf("%s: %d after %d", r.file, n, before)
		}
		last[r.file] = n
	}
	for i := range files {
		name := fmt.Sprintf("%03d.log", i)
		w.append(name, fmt.Sprintf("%d last\n", rounds*files+2*i))
		w.rename(name, name+".1")
		w.append(name, fmt.Sprintf("%d first\n", rounds*files+2*i+1))
	}
	if doubled := w.complete(files * (rounds + 2)); doubled != 0 {
		t.Errorf("%d came twice", doubled)
	}
	for i := range files {
		w.must(os.Remove(w.path(fmt.Sprintf("%03d.log", i))))
		w.must(os.Remove(w.path(fmt.Sprintf("%03d.log.1", i))))
	}
	w.until(func() bool { return w.counters()["files"] == 0 }, func() string { return fmt.Sprint(w.counters()) })
	w.stop()
	w.noneOpen()
	b, err := os.ReadFile(w.checkpointFile())
	w.must(err)
	kept, err := checkpoint.Decode(b)
	w.must(err)
	if len(kept) > 2*files {
		t.Errorf("%d entries are kept", len(kept))
	}
	// As if each had been last seen long ago: entries of deleted files expire early.
	for _, e := range kept {
		if age := time.Since(time.Unix(e.Seen, 0)); age < 70*time.Hour {
			t.Errorf("the entry of a deleted file is kept as if it were %s old: %+v", age, e)
		}
	}
}

// TestShortLivedPods: among five thousand log folders, pods come, write and go within two seconds of their last line, and
// all is read. Some folders have times in whole seconds, as on ext2 and NFS. Seconds mean little to a raced build beside
// others: there the folders are fewer and the pods live longer.
func TestShortLivedPods(t *testing.T) {
	old, more := 5000, time.Duration(0)
	if raced {
		old, more = 1000, 5*time.Second
	}
	w := newWorld(t)
	w.cfg.Include = []string{w.path("pods/*/*/*.log")}
	for i := range old {
		w.write(fmt.Sprintf("pods/ns_old-%d_uid/app/0.log", i), "2026-01-02T03:04:05.1Z stdout F old\n")
	}
	w.cfg.StartAt = startAtEnd
	w.start()
	w.until(func() bool { return w.counters()["files"] == float64(old) }, func() string { return fmt.Sprint(w.counters()) })
	const pods = 100
	var done sync.WaitGroup
	for i := range pods {
		done.Go(func() {
			time.Sleep(time.Duration(i) * 30 * time.Millisecond)
			name := fmt.Sprintf("pods/ns_new-%d_uid", i)
			w.write(name+"/app/0.log", "")
			if i%2 == 0 {
				second := time.Now().Truncate(time.Second)
				w.must(os.Chtimes(w.path(name), second, second))
				w.must(os.Chtimes(w.path(name+"/app"), second, second))
			}
			for line := range 3 {
				w.append(name+"/app/0.log", fmt.Sprintf("2026-01-02T03:04:05.1Z stdout F %d\n", 3*i+line))
				time.Sleep(100 * time.Millisecond)
			}
			time.Sleep(time.Duration(1000+10*i)*time.Millisecond + more)
			w.must(os.RemoveAll(w.path(name)))
		})
	}
	done.Wait()
	if doubled := w.complete(3 * pods); doubled != 0 {
		t.Errorf("%d came twice", doubled)
	}
	w.stop()
}

// noneOpen fails when this process has a file of the world open, where the system tells.
func (w *world) noneOpen() {
	w.t.Helper()
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && strings.HasPrefix(to, w.dir) {
			w.t.Errorf("%s is still open", to)
		}
	}
}

// TestDeletedWhileNotOpen: of a file that had to give up its descriptor, nobody can know what was written to it just before
// it was deleted; the file is counted. One that was open is read to its end, and is not.
func TestDeletedWhileNotOpen(t *testing.T) {
	w := newWorld(t)
	w.cfg.PollInterval = 10 * time.Millisecond
	w.cfg.MaxOpenFiles = 1
	w.start()
	for i, name := range []string{"first.log", "second.log"} {
		w.append(name, fmt.Sprintf("%d of it\n", i))
		w.until(func() bool { return len(w.taken()) == i+1 }, func() string { return w.bodies() })
	}
	w.must(os.Remove(w.path("second.log")))
	w.until(func() bool { return w.counters()["files"] == 1 }, func() string { return fmt.Sprint(w.counters()) })
	if n := w.counters()["unwatched_deletions_total"]; n != 0 {
		t.Errorf("%v counted, although the file was open", n)
	}
	w.append("third.log", "2 of it\n") // takes the only place
	w.until(func() bool { return len(w.taken()) == 3 }, func() string { return w.bodies() })
	w.must(os.Remove(w.path("first.log")))
	w.until(func() bool { return w.counters()["unwatched_deletions_total"] == 1 }, func() string { return fmt.Sprint(w.counters()) })
	w.stop()
	w.noneOpen()
}

// TestTurns: files that are longer than a turn, and that a full window stops, are taken up again although nothing is
// written to them any more.
func TestTurns(t *testing.T) {
	w := newWorld(t)
	w.cfg.PollInterval = 5 * time.Millisecond
	w.cfg.MaxOpenFiles = 1
	w.cfg.MaxLineBytes, w.cfg.MaxBatchBytes, w.cfg.MaxInFlight = 1<<10, minBatch+2<<10, 2
	const files, lines = 4, 30_000 // some hundred batches a file
	for i := range files {
		var text strings.Builder
		for n := range lines {
			fmt.Fprintf(&text, "%d %s\n", i*lines+n, strings.Repeat("x", 50))
		}
		w.write(fmt.Sprintf("%d.log", i), text.String())
	}
	var delivered atomic.Int64
	slow := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
		time.Sleep(time.Millisecond)
		delivered.Add(int64(b.Items))
		return nil
	})
	r, err := New(w.settings, w.cfg, pipeline.OutputsTo(slow, pipeline.Logs))
	w.must(err)
	w.must(r.Start(t.Context()))
	w.until(func() bool { return delivered.Load() == files*lines }, func() string { return fmt.Sprint(delivered.Load(), " of ", files*lines) })
	w.must(r.Stop(t.Context()))
	w.noneOpen()
}
