package store

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"5GiB": 5 << 30, "512MB": 512e6, "1048576": 1 << 20, "1.5 MiB": 3 << 19, "7B": 7, "2kB": 2000, "1TiB": 1 << 40,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1GiB", "five", "5GiBB", "1e40GiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "as in 5GiB") {
			t.Errorf("%q was read as %d, %v", text, s, err)
		}
	}
	for s, want := range map[Size]string{5 << 30: "5GiB", 3 << 19: "1536KiB", 7: "7B", 0: "0B"} {
		if got := s.String(); got != want {
			t.Errorf("%d prints as %q, want %q", int64(s), got, want)
		}
	}
}

func TestAge(t *testing.T) {
	for text, want := range map[string]time.Duration{"7d": 168 * time.Hour, "36h": 36 * time.Hour, "1w2d": 216 * time.Hour, "1.5h": 90 * time.Minute} {
		var a Age
		if err := a.UnmarshalText([]byte(text)); err != nil || time.Duration(a) != want {
			t.Errorf("%q: %s, %v; want %s", text, a, err, want)
		}
	}
	for _, text := range []string{"", "7", "d", "-1h", "seven days"} {
		var a Age
		if err := a.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "as in 7d") {
			t.Errorf("%q was read as %s, %v", text, a, err)
		}
	}
	if got := defaultRetention.String(); got != "1w" {
		t.Errorf("the default prints as %q", got)
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	err := (&Config{Endpoint: "nowhere"}).Validate()
	for _, key := range []string{"endpoint", "retention", "max_disk", "max_series", "logs_memory", "traces_memory"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("%q is not named in: %v", key, err)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

// TestRuleFilesAreValidated: a broken rule file is found before anything is stopped for it.
func TestRuleFilesAreValidated(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.yaml": "groups: [{name: g, rules: [{record: a:b, expr: sum(a)}]}]\n",
		"bad.yaml":  "groups: [{name: g, rules: [{record: a:b, expr: 'sum(a'}]}]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := Default()
	c.RuleFiles = []string{filepath.Join(dir, "*.yaml")}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `"rule_files"`) || !strings.Contains(err.Error(), "bad.yaml") || strings.Contains(err.Error(), "good.yaml") {
		t.Errorf("got %v, want the broken file", err)
	}
	c.RuleFiles = []string{filepath.Join(dir, "good.yaml")}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

// days is a store of whole days for the tests of the budget.
type days struct {
	oldest time.Time
	sizes  []int64
	fail   error
}

func (d *days) Append(context.Context, pipeline.Batch) error { return nil }
func (d *days) Close() error                                 { return nil }
func (d *days) DiskBytes() (n int64) {
	for _, s := range d.sizes {
		n += s
	}
	return n
}
func (d *days) Folders() []string         { return []string{"."} }
func (d *days) Ready() error              { return nil }
func (d *days) Oldest() (time.Time, bool) { return d.oldest, len(d.sizes) > 0 }
func (d *days) DropOldest(context.Context) (time.Time, error) {
	if d.fail != nil {
		return time.Time{}, d.fail
	}
	if len(d.sizes) > 1 { // the last day is being written
		d.sizes = d.sizes[1:]
		d.oldest = d.oldest.AddDate(0, 0, 1)
	}
	return d.oldest, nil
}

func budget(t *testing.T, max Size, parts map[pipeline.Signal]part) *disk {
	t.Helper()
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	d, err := newDisk(s, Config{MaxDisk: max, MinFreeDisk: 1}, t.TempDir(), parts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheOldestGoesFirstWhicheverSignal(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := &days{oldest: day, sizes: []int64{10, 10, 10}}
	l := &days{oldest: day.AddDate(0, 0, 1), sizes: []int64{10, 10, 10}}
	tr := &days{oldest: day.AddDate(0, 0, 9), sizes: []int64{5}}
	d := budget(t, 40, map[pipeline.Signal]part{pipeline.Metrics: m, pipeline.Logs: l, pipeline.Traces: tr})
	d.trim(t.Context())
	// Jan 1 of metrics goes, then Jan 2 of one of both, then the other's.
	if d.used() > 40 || len(m.sizes) != 1 || len(l.sizes) != 2 {
		t.Errorf("used %d, metrics %v, logs %v", d.used(), m.sizes, l.sizes)
	}
}

func TestAStoreThatCannotShrinkDoesNotHoldTheOthers(t *testing.T) {
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	bad := &days{oldest: day, sizes: []int64{10, 10}, fail: errors.New("no")}
	full := &days{oldest: day.AddDate(0, 0, 1), sizes: []int64{50}} // its only day is being written
	good := &days{oldest: day.AddDate(0, 0, 5), sizes: []int64{10, 10, 10}}
	d := budget(t, 75, map[pipeline.Signal]part{pipeline.Metrics: bad, pipeline.Logs: full, pipeline.Traces: good})
	d.trim(t.Context())
	if len(good.sizes) != 1 {
		t.Errorf("the store that could shrink has %v left", good.sizes)
	}
}

func TestBelowTheFloorNothingIsTaken(t *testing.T) {
	d := budget(t, 100, nil)
	left := int64(1000)
	d.cfg.MinFreeDisk = 500
	d.free = func() (int64, error) { return left, nil }
	e := &Exporter{disk: d, parts: map[pipeline.Signal]part{pipeline.Metrics: &days{}, pipeline.Logs: &days{}, pipeline.Traces: &days{}}}
	ready := func(want int) {
		t.Helper()
		w := httptest.NewRecorder()
		e.serveReady(w, nil)
		if w.Code != want || want != 200 && !strings.Contains(w.Body.String(), "min_free_disk") {
			t.Errorf("ready answers %d %s", w.Code, w.Body)
		}
	}
	consume := func() error { return e.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Items: 1}) }
	d.lookFree()
	if err := consume(); err != nil {
		t.Error(err)
	}
	ready(200)
	left = 400
	d.lookFree()
	ready(503)
	if ref, again := pipeline.AsRefused(consume()); !again || ref.After == 0 || !strings.Contains(ref.Error(), "min_free_disk") {
		t.Errorf("got %v, want a refusal that names the key", ref)
	}
	left = 600
	d.lookFree()
	ready(200)
	if err := consume(); err != nil {
		t.Errorf("after there was room again: %v", err)
	}
}

// TestFull: over max_disk with nothing older left, batches are refused until the stores fit again.
func TestFull(t *testing.T) {
	now := time.Now()
	m, l, tr := &days{}, &days{oldest: now.Add(-3 * time.Hour), sizes: []int64{10}}, &days{oldest: now.Add(-time.Minute), sizes: []int64{10, 10}}
	parts := map[pipeline.Signal]part{pipeline.Metrics: m, pipeline.Logs: l, pipeline.Traces: tr}
	e := &Exporter{disk: budget(t, 40, parts), parts: parts}
	look := func(taken bool) {
		t.Helper()
		e.disk.trim(t.Context())
		err := e.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Metrics, Items: 1})
		ref, again := pipeline.AsRefused(err)
		if (err == nil) != taken || !taken && (!again || ref.After == 0 || !strings.Contains(ref.Error(), "max_disk")) {
			t.Errorf("a batch is answered %v", err)
		}
		w := httptest.NewRecorder()
		e.serveReady(w, nil)
		if want := map[bool]int{true: 200, false: 503}[taken]; w.Code != want {
			t.Errorf("ready answers %d %s, want %d", w.Code, w.Body, want)
		}
	}
	look(true)
	l.sizes[0] = 50
	look(false)
	if len(tr.sizes) != 2 {
		t.Errorf("data of the last hour was removed for older data that cannot go: %v", tr.sizes)
	}
	l.sizes[0] = 20 // fits, but without room to spare
	look(false)
	l.sizes[0] = 18
	look(true)
}
