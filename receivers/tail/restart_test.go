package tail

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/pipeline"
)

// TestASecondProcessIsRefused: two processes would overwrite each other's checkpoint. Building a graph without starting it
// takes no lock, and the next graph gets the lock after a stop.
func TestASecondProcessIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("a.log", "one\n")
	w.start()
	w.want("one")
	s := w.settings
	s.Metrics = prometheus.NewRegistry()
	second, err := New(s, w.cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, w), pipeline.Logs))
	if err != nil {
		t.Fatal(err)
	}
	err = second.Start(t.Context())
	if err == nil {
		t.Fatal("a second one on the data directory was started")
	}
	if !strings.Contains(err.Error(), s.DataDir) || !strings.Contains(err.Error(), "--data-dir") {
		t.Errorf("the error names no place or no fix: %v", err)
	}
	w.append("a.log", "two\n")
	w.want("one|two")
	w.stop()
	w.append("a.log", "three\n")
	w.start()
	w.want("one|two|three")
	w.stop()
}

// TestADamagedCheckpointIsMovedOrNot: the log says where it is, not where it was meant to be.
func TestADamagedCheckpointIsMovedOrNot(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		w := newWorld(t)
		var out bytes.Buffer
		w.settings.Log = slog.New(slog.NewTextHandler(&out, nil))
		path := filepath.Join(w.settings.DataDir, "tail.checkpoint")
		w.must(os.MkdirAll(path, 0o700)) // a folder cannot be read as a checkpoint
		if stuck {
			w.must(os.MkdirAll(filepath.Join(path+".damaged", "x"), 0o700))
		}
		w.write("a.log", "one\n")
		w.start()
		w.want("one")
		w.stop()
		if said := strings.Contains(out.String(), "moved_to"); said == stuck {
			t.Errorf("stuck %v, but the log is\n%s", stuck, out.String())
		}
		if stuck && !strings.Contains(out.String(), "cannot be moved aside") {
			t.Errorf("the log does not say that it stays:\n%s", out.String())
		}
	}
}

// TestStopWithADeletedFile: a stop gives up a deleted file that the destination refuses after a second, and that is not copied
// (see TestTheRestOfADeletedFileIsCopied), counts all of it and says so in one line; a reload whose configuration has no such receiver counts it too.
func TestStopWithADeletedFile(t *testing.T) {
	for _, reload := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var out bytes.Buffer
			w.settings.Log = slog.New(slog.NewTextHandler(&out, nil))
			w.cfg.MaxInFlight = 1
			w.start()
			w.must(w.step("refuse 1000000"))
			w.append("a.log", "one\ntwo\n")
			time.Sleep(2 * time.Second)
			w.append("a.log", "three\n")
			w.must(os.Remove(w.path("a.log")))
			time.Sleep(3 * time.Second)
			if reload {
				w.settings.Estates.Open()
			}
			begin := time.Now()
			w.stop()
			if took := time.Since(begin); took > 1500*time.Millisecond {
				t.Errorf("the stop took %s", took)
			}
			w.settings.Estates.Close()
			if n := w.counters()["dropped rotated_unread"]; n != 3 {
				t.Errorf("%v are counted", n)
			}
			if said := "records=3 bytes=14"; strings.Count(out.String(), said) != 1 || !strings.Contains(out.String(), "a.log") {
				t.Errorf("the log does not say %q once:\n%s", said, out.String())
			}
		})
	}
}

// TestTheRestOfADeletedFileIsCopied: what the pipeline does not take of a deleted file survives kills and stops, without what
// is delivered, within max_deleted_bytes; nothing is left when it is delivered.
func TestTheRestOfADeletedFileIsCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.MaxInFlight = 1
		folder := strings.TrimSuffix(w.checkpointFile(), ".checkpoint") + ".deleted"
		copies := func() int {
			entries, _ := os.ReadDir(folder)
			return len(entries)
		}
		n := 0
		lines := func(count int) string {
			var b strings.Builder
			for range count {
				fmt.Fprintf(&b, "%d is the number of this line\n", n)
				n++
			}
			return b.String()
		}
		w.start()
		time.Sleep(time.Second)
		w.append("a.log", lines(300))
		time.Sleep(5 * time.Second)
		w.must(w.step("refuse 1000000"))
		w.append("a.log", lines(100))
		time.Sleep(2 * time.Second)
		w.must(os.Remove(w.path("a.log")))
		time.Sleep(20 * time.Second)
		if copies() != 1 {
			t.Fatalf("%d copies", copies())
		}
		for range 2 {
			w.kill()
			w.start()
			time.Sleep(10 * time.Second)
		}
		w.stop()
		w.start()
		time.Sleep(10 * time.Second)
		if copies() != 1 {
			t.Fatalf("%d copies after kills", copies())
		}
		w.must(w.step("refuse 0"))
		time.Sleep(2 * time.Minute)
		if doubled := w.complete(n); doubled != 0 {
			t.Errorf("%d came twice", doubled)
		}
		if copies() != 0 {
			t.Errorf("%d copies are left after the delivery", copies())
		}
		w.stop()
		for name, count := range w.counters() {
			if strings.HasPrefix(name, "dropped ") {
				t.Errorf("%s: %g", name, count)
			}
		}
		w.noneOpen()
	})
}

// TestAStopRightAfterTheCopy: the copy is made, and nobody reads it yet.
func TestAStopRightAfterTheCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.MaxInFlight = 1
		folder := strings.TrimSuffix(w.checkpointFile(), ".checkpoint") + ".deleted"
		w.start()
		w.must(w.step("refuse 1000000"))
		w.append("a.log", "0 one\n1 two\n")
		time.Sleep(2 * time.Second)
		w.must(os.Remove(w.path("a.log")))
		for entries := 0; entries == 0; time.Sleep(time.Millisecond) {
			found, _ := os.ReadDir(folder)
			entries = len(found)
		}
		w.stop()
		w.must(w.step("refuse 0"))
		w.start()
		time.Sleep(time.Minute)
		if doubled := w.complete(2); doubled != 0 {
			t.Errorf("%d came twice", doubled)
		}
		w.stop()
		for name, count := range w.counters() {
			if strings.HasPrefix(name, "dropped ") {
				t.Errorf("%s: %g", name, count)
			}
		}
		w.noneOpen()
	})
}

// TestExcludedLater: a file that a new configuration leaves out is not read on after the restart, also if the checkpoint knows it.
// One that is chosen, but whose link went, is read to its end.
func TestExcludedLater(t *testing.T) {
	for name, leave := range map[string]func(w *world){
		"excluded":     func(w *world) { w.cfg.Exclude = []string{w.path("a.log")} },
		"not included": func(w *world) { w.cfg.Include = []string{w.path("b.log"), w.path("links/*.log")} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.cfg.Include = append(w.cfg.Include, w.path("links/*.log"))
				w.cfg.FollowSymlinks = []string{w.path("other")}
				w.write("a.log", "one\n")
				w.write("b.log", "one\n")
				w.write("other/c.log", "one\n")
				w.must(os.Mkdir(w.path("links"), 0o755))
				w.must(os.Symlink(w.path("other/c.log"), w.path("links/c.log")))
				w.start()
				w.want("one|one|one")
				w.stop()
				leave(w)
				for _, name := range []string{"a.log", "b.log", "other/c.log"} {
					w.append(name, "two "+name+"\n")
				}
				w.must(os.Remove(w.path("links/c.log")))
				w.start()
				time.Sleep(10 * time.Second)
				w.append("a.log", "three\n")
				time.Sleep(10 * time.Second)
				w.stop()
				got := strings.Split(w.bodies(), "|")
				slices.Sort(got)
				if want := "one|one|one|two b.log|two other/c.log"; strings.Join(got, "|") != want {
					t.Errorf("%s, want %s; %v", got, want, w.counters())
				}
			})
		})
	}
}
