package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	c = &Config{Include: []string{"/var/[", ""}, Exclude: []string{"[a"}, Attributes: map[string]string{"": strings.Repeat("x", maxExtra+1)}, MaxDeletedBytes: -1, MaxInFlightBytes: -1, Linger: -1, IncludeNamespaces: []string{""}, ExcludeNamespaces: []string{"a/b"}}
	err := c.Validate()
	for _, key := range []string{"include", "exclude", "include_namespaces", "exclude_namespaces", "start_at", "format", "poll_interval", "linger", "max_line_bytes", "max_batch_bytes", "max_in_flight", "max_in_flight_bytes", "max_open_files", "max_deleted_bytes", "attributes"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("no fault names %q: %v", key, err)
		}
	}
}

func TestValidateMultiline(t *testing.T) {
	for _, tt := range []struct {
		m    Multiline
		says []string
	}{
		{Multiline{}, []string{"multiline::max_lines", "1000"}},
		{Multiline{MaxLines: 9, Joining: Joining{Presets: []string{"java", "ruby"}}}, []string{`"multiline"`, "ruby", "java, python, go, nodejs, dotnet"}},
		{Multiline{MaxLines: 9, Joining: Joining{Presets: []string{"java"}, LineStartPattern: "x"}}, []string{`"multiline"`, "only one of"}},
		{Multiline{MaxLines: 9, Joining: Joining{LineStartPattern: "x("}}, []string{"line_start_pattern", "missing closing"}},
		{Multiline{MaxLines: 9, Rules: []MultilineRule{{Joining: Joining{LineEndPattern: "["}}, {Include: []string{"~/x"}}}}, []string{"multiline::rules::0", "line_end_pattern", "multiline::rules::0::include", "multiline::rules::1::include", "${env:HOME}"}},
	} {
		c := Default()
		c.Include, c.Multiline = []string{"/x"}, tt.m
		err := c.Validate()
		for _, says := range tt.says {
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%+v: %v, without %q", tt.m, err, says)
			}
		}
	}
	c := Default()
	c.Include, c.ForceFlushPeriod = []string{"/x"}, time.Hour
	c.Detect = []string{"time"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"force_flush_period"`) || !strings.Contains(err.Error(), `"detect" has "time"`) {
		t.Error(err)
	}
}

// TestGlobsThatNobodyExpands: what a shell would have done is a fault that says what to write.
func TestGlobsThatNobodyExpands(t *testing.T) {
	for glob, says := range map[string]string{
		"~/a.log": "${env:HOME}", "~app/a.log": "~", "$HOME/a.log": "${env:NAME}", "/var/${APP}/a.log": "${env:NAME}",
		"/var/log/{a}.log": "{a,b}", "/var/log/{a,b.log": "not closed", "": "{a,b}", "/var/[": "[a-z]",
	} {
		c := Default()
		c.Include = []string{glob}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), `"include"`) {
			t.Errorf("%q: %v", glob, err)
		}
	}
	for _, glob := range []string{"/var/log/{a,b}.log", "/var/log/[$]HOME", "/var/log/a$.log", `/var/log/\{a\}.log`, "logs/*.log"} {
		c := Default()
		c.Include = []string{glob}
		if err := c.Validate(); err != nil {
			t.Errorf("%q: %v", glob, err)
		}
	}
	c := Default()
	c.Include, c.FollowSymlinks = []string{"/x"}, []string{"var/log"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"follow_symlinks"`) {
		t.Error(err)
	}
}

// TestAMissingFolderIsSaid: once, with the glob, and it is read when it appears.
func TestAMissingFolderIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var out bytes.Buffer
		w.settings.Log = slog.New(slog.NewTextHandler(&out, nil))
		w.cfg.Include = []string{w.path("later/*/*.log"), w.path("*.log")}
		w.start()
		time.Sleep(time.Minute)
		w.write("later/x/a.log", "one\n")
		time.Sleep(20 * time.Second)
		w.stop()
		if said := out.String(); strings.Count(said, "do not exist") != 1 || !strings.Contains(said, "later/*/*.log") || w.bodies() != "one" {
			t.Errorf("%q; the log is\n%s", w.bodies(), said)
		}
	})
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
		if sub, ok := value.(map[string]any); ok && len(sub) > 0 {
			want = "off" // a section with keys of its own
		}
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

// TestStopDoesNotWaitForever: a sink that does not answer is given up at once or when Stop's context ends; nothing leaks,
// and the lines come at the next start.
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
		if took := time.Since(begin); took > 2*time.Second {
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

// TestStopWaitsForWhatIsAnswered: a slow sink is not given up while it answers.
func TestStopWaitsForWhatIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.cfg.MaxInFlight = 16
		for i := range 12 {
			w.write(fmt.Sprintf("%02d.log", i), fmt.Sprintf("%d\n", i))
		}
		turn := make(chan struct{}, 1)
		slow := pipeline.SinkFunc(func(ctx context.Context, b pipeline.Batch) error {
			turn <- struct{}{}
			defer func() { <-turn }()
			if ctx.Err() != nil {
				return pipeline.Withdrawn(ctx)
			}
			time.Sleep(700 * time.Millisecond)
			return w.Consume(ctx, b)
		})
		r, err := New(w.settings, w.cfg, pipeline.OutputsTo(slow, pipeline.Logs))
		w.must(err)
		w.must(r.Start(t.Context()))
		time.Sleep(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.must(r.Stop(ctx))
		if doubled := w.complete(12); doubled != 0 {
			t.Errorf("%d came twice", doubled)
		}
	})
}

// TestALongHole: holes cost nothing, and Stop never waits for a search without newlines.
func TestALongHole(t *testing.T) {
	w := newWorld(t)
	const size = 20 << 30
	w.write("lastlog.log", "")
	w.write("late.log", "one\n")
	w.write("data.log", strings.Repeat("x", 64<<20)) // no newline
	w.must(os.Truncate(w.path("lastlog.log"), size))
	w.must(os.Truncate(w.path("late.log"), size))
	w.append("late.log", "two\n")
	begin, cpu := time.Now(), cpuTime()
	w.start()
	w.want("one|two")
	time.Sleep(time.Second)
	stopped := time.Now()
	w.stop()
	if took, used := time.Since(stopped), cpuTime()-cpu; took > 2*time.Second || used > 3*time.Second {
		t.Errorf("Stop took %s, the whole %s of CPU in %s", took, used, time.Since(begin))
	}
}

// TestOneLineACause: an agent that tails its own log, and whose requests are all rejected, writes one line a minute.
func TestOneLineACause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		own, err := os.OpenFile(w.path("own.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		w.must(err)
		defer own.Close()
		w.settings.Log = slog.New(slog.NewTextHandler(own, nil))
		w.answer = func(_ int, b pipeline.Batch) error {
			return pipeline.Reject(b.Items, pipeline.DropInvalid, errors.New("400"))
		}
		w.start()
		w.append("own.log", "one\n")
		time.Sleep(10 * time.Minute)
		for i := range 200 {
			w.append("own.log", strings.Repeat("x", i)+"\n")
			time.Sleep(time.Second)
		}
		w.stop()
		b, err := os.ReadFile(w.path("own.log"))
		w.must(err)
		if n := strings.Count(string(b), "rejected"); n < 5 || n > 16 || !strings.Contains(string(b), "suppressed=") {
			t.Errorf("%d lines:\n%s", n, b[max(0, len(b)-2000):])
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
