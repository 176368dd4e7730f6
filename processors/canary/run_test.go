package canary

import (
	"embed"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

//go:embed testdata/*.txtar
var cases embed.FS

// TestRuns: testdata has numbers in the order in which they come, one line a second, and what is counted of them. A line
// "wait 5m" passes time, "run 2" goes on with another run.
func TestRuns(t *testing.T) {
	names, err := cases.ReadDir("testdata")
	if err != nil || len(names) == 0 {
		t.Fatal(err)
	}
	for _, e := range names {
		t.Run(e.Name(), func(t *testing.T) {
			text, err := cases.ReadFile(path.Join("testdata", e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			var in, want string
			for _, f := range txtar.Parse(text).Files {
				switch f.Name {
				case "numbers":
					in = string(f.Data)
				case "want":
					want = string(f.Data)
				}
			}
			if got := count(t, in); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func count(t *testing.T, in string) string {
	f := newFlock(5 * time.Minute)
	now := time.Unix(1e9, 0)
	c := canary{"a", 1}
	for line := range strings.Lines(in) {
		line = strings.TrimSpace(line)
		if text, is := strings.CutPrefix(line, "wait "); is {
			d, err := time.ParseDuration(text)
			if err != nil {
				t.Fatal(err)
			}
			now = now.Add(d)
			continue
		}
		if n, _ := fmt.Sscanf(line, "run %d", &c.run); n == 1 {
			continue
		}
		for word := range strings.FieldsSeq(line) {
			from, to := 0, 0
			if n, _ := fmt.Sscanf(word, "%d-%d", &from, &to); n == 1 {
				to = from
			}
			for n := from; n <= to; n++ {
				f.saw(sighting{c, uint64(n), time.Second, now})
			}
		}
		now = now.Add(time.Second)
	}
	f.sweepLocked(now)
	own := f.instances["a"].own
	return fmt.Sprintf("received %v missing %v late %v duplicate %v\n", value(t, own.received), value(t, own.missing), value(t, own.late), value(t, own.duplicate))
}

// TestManyGaps: a run keeps so many, and counts the oldest as missing.
func TestManyGaps(t *testing.T) {
	r := newRun(1, 1)
	missing := uint64(0)
	for n := uint64(3); n < 3+2*(maxGaps+10); n += 2 {
		_, m := r.saw(n, time.Time{})
		missing += m
	}
	if len(r.gaps) != maxGaps || missing != 10 {
		t.Errorf("%d gaps, %d missing", len(r.gaps), missing)
	}
}
