package tail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
)

func TestValidate(t *testing.T) {
	if err := Default().Validate(); err == nil || !strings.Contains(err.Error(), `"include"`) {
		t.Errorf("without include: %v", err)
	}
	c := Default()
	c.Include = []string{"/var/log/*.log"}
	if err := c.Validate(); err != nil {
		t.Errorf("the default with an include: %v", err)
	}
	c = &Config{Include: []string{"/var/[", ""}, Exclude: []string{"[a"}, Attributes: map[string]string{"": strings.Repeat("x", maxExtra+1)}, MaxDeletedBytes: -1, MaxInFlightBytes: -1}
	err := c.Validate()
	for _, key := range []string{"include", "exclude", "start_at", "format", "poll_interval", "max_line_bytes", "max_batch_bytes", "max_in_flight", "max_in_flight_bytes", "max_open_files", "max_deleted_bytes", "attributes"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("no fault names %q: %v", key, err)
		}
	}
}

// TestREADME loads the example of README.md and compares the documented defaults with the real ones.
func TestREADME(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(b)
	if example == nil {
		t.Fatal("no example")
	}
	var file struct {
		Receivers map[string]map[string]any `yaml:"receivers"`
	}
	if err := yaml.Unmarshal(example[1], &file); err != nil {
		t.Fatal(err)
	}
	for id, keys := range file.Receivers {
		c := Default()
		if err := confmap.NewFromStringMap(keys).Unmarshal(c); err != nil {
			t.Errorf("%s: %v", id, err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	conf := confmap.New()
	if err := conf.Marshal(Default()); err != nil {
		t.Fatal(err)
	}
	for key, value := range conf.ToStringMap() {
		row := regexp.MustCompile("(?m)^\\| `" + key + "` \\| ([^|]*) \\|").FindSubmatch(b)
		if row == nil {
			t.Errorf("README.md has no row for %q", key)
			continue
		}
		want := fmt.Sprint(value)
		if want == "[]" || want == "map[]" || want == "" || value == nil {
			want = "none"
		}
		if d, ok := value.(time.Duration); ok {
			want = d.String()
		}
		if got := strings.Trim(string(row[1]), "`"); got != want {
			t.Errorf("README.md says the default of %q is %s, it is %s", key, got, want)
		}
	}
}

// TestStopDoesNotWaitForever: a sink that never answers is given up when Stop's context ends, nothing leaks, and
// the lines come at the next start.
func TestStopDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.write("a.log", "one\n")
		stuck := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			<-ctx.Done()
			return pipeline.Withdrawn(ctx)
		})
		r, err := New(w.settings, w.cfg, pipeline.OutputsTo(stuck, pipeline.Logs))
		w.must(err)
		w.must(r.Start(t.Context()))
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		w.must(r.Stop(ctx))
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("Stop took %s", took)
		}
		w.settings.Metrics = nil
		w.start()
		time.Sleep(time.Second)
		w.stop()
		if got := w.bodies(); got != "one" {
			t.Error(got)
		}
	})
}

// TestBudget: a full budget refuses what is read; the file waits until there is room.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.settings.Budget = pipeline.NewBudget(1000)
		reservation, err := w.settings.Budget.Reserve(300)
		w.must(err)
		w.write("a.log", "one\n")
		w.start()
		time.Sleep(5 * time.Second)
		if got := w.bodies(); got != "" || w.counters()["refused_requests_total"] == 0 {
			t.Errorf("%q came through a full budget; %v", got, w.counters())
		}
		reservation.Release()
		time.Sleep(30 * time.Second)
		if got := w.bodies(); got != "one" {
			t.Error(got)
		}
		w.stop()
		if used := w.settings.Budget.Used(); used != 0 {
			t.Errorf("%d bytes stay reserved", used)
		}
	})
}

// TestCheckpointCannotBeWritten: reading goes on, each failure is counted, and it heals.
func TestCheckpointCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.CheckpointDir = filepath.Join(w.dir, "state")
		w.write("state", "a file is in the way")
		w.write("a.log", "one\n")
		w.start()
		time.Sleep(5 * time.Second)
		if n := w.counters()["checkpoint_failures_total"]; n < 4 || w.bodies() != "one" {
			t.Errorf("%g failures, %q", n, w.bodies())
		}
		w.must(os.Remove(w.path("state")))
		time.Sleep(2 * time.Second)
		w.stop()
		if b, err := os.ReadFile(filepath.Join(w.dir, "state", "tail.checkpoint")); err != nil || !strings.Contains(string(b), "a.log") {
			t.Errorf("%v: %s", err, b)
		}
	})
}

// TestDeletedFilesAreBounded: when deleted files hold more than max_deleted_bytes, the largest is given up and its
// records counted.
func TestDeletedFilesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.cfg.MaxDeletedBytes = 1000
	w.cfg.MaxInFlight = 1
	w.cfg.PollInterval = 5 * time.Millisecond
	var down atomic.Bool
	down.Store(true)
	w.answer = func(int, pipeline.Batch) error {
		if down.Load() {
			return pipeline.Refuse(10*time.Millisecond, errors.New("down"))
		}
		return nil
	}
	w.write("a.log", "first\n")
	w.start()
	w.until(func() bool { return w.counters()["refused_requests_total"] > 0 }, func() string { return "no refusal" })
	w.append("a.log", strings.Repeat("a line\n", 200))
	w.must(os.Remove(w.path("a.log")))
	w.until(func() bool { return w.counters()["dropped rotated_unread"] == 200 }, func() string { return fmt.Sprint(w.counters()) })
	down.Store(false)
	w.want("first")
	w.until(func() bool { return w.counters()["files"] == 0 }, func() string { return fmt.Sprint(w.counters()) })
	w.stop()
}

// TestNoPipeline: a receiver that nothing takes logs from starts and stops.
func TestNoPipeline(t *testing.T) {
	w := newWorld(t)
	r, err := New(w.settings, w.cfg, pipeline.Outputs{})
	w.must(err)
	w.must(r.Start(t.Context()))
	w.must(r.Stop(t.Context()))
}
