package logs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sluiceio/sluice/store/logs/logstest"
	"github.com/sluiceio/sluice/store/logs/rows"
)

// TestDamagedDay: a day with damaged lists is moved aside; the other day is found, and new rows are taken.
func TestDamagedDay(t *testing.T) {
	now := time.Now()
	write := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		path   string // the first match in the day's folder
		change func(t *testing.T, path string)
	}{
		"no JSON":          {"datadb/parts.json", write("garbage")},
		"empty":            {"datadb/parts.json", write("")},
		"missing part":     {"datadb/parts.json", write(`["0000000000000001"]`)},
		"no list":          {"datadb/parts.json", remove},
		"index":            {"indexdb/parts.json", write("garbage")},
		"index part":       {"indexdb/parts.json", write(`["0000000000000001"]`)},
		"no index":         {"indexdb", remove},
		"metadata":         {"datadb/*/metadata.json", write("")},
		"metadata missing": {"datadb/*/metadata.json", remove},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, Options{})
			put(t, s, logstest.Lines(t, "svc", now, "today"))
			put(t, s, logstest.Lines(t, "svc", now.Add(-24*time.Hour), "yesterday"))
			if err := s.checkpoint(); err != nil {
				t.Fatal(err)
			}
			dir := abandon(t, s)
			day := filepath.Join(dir, "data", "partitions", rows.DayName(rows.DayOf(now.UnixNano())))
			found, err := filepath.Glob(filepath.Join(day, c.path))
			if err != nil || len(found) == 0 {
				t.Fatal(found, err)
			}
			c.change(t, found[0])
			write("x")(t, filepath.Join(dir, "data", "partitions", "junk"))
			again, _ := openIn(t, dir, Options{})
			if got := rowsOf(t, again, "*"); len(got) != 1 || got[0]["_msg"] != "yesterday" {
				t.Errorf("found %v", got)
			}
			if moved, _ := os.ReadDir(filepath.Join(dir, asideFolder)); len(moved) != 2 {
				t.Errorf("moved aside: %v", moved)
			}
			put(t, again, logstest.Lines(t, "svc", now, "new"))
			if got := rowsOf(t, again, "*"); len(got) != 2 {
				t.Errorf("found %v", got)
			}
			// What is set aside counts, and goes first.
			for range 2 {
				before := again.DiskBytes()
				if through, err := again.DropOldest(t.Context()); err != nil || through.IsZero() || again.DiskBytes() >= before {
					t.Errorf("%s was removed (%v), of %d bytes are %d left", through, err, before, again.DiskBytes())
				}
			}
			if moved, _ := os.ReadDir(filepath.Join(dir, asideFolder)); len(moved) != 0 {
				t.Errorf("still aside: %v", moved)
			}
			if got := rowsOf(t, again, "*"); len(got) != 2 {
				t.Errorf("found %v", got)
			}
		})
	}
}
