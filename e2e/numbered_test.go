package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tally is the oracle's book of numbered records: how often each arrived, by source.
type tally struct {
	mu   sync.Mutex
	seen map[string]map[int]int
	bad  []string
}

func newTally() *tally { return &tally{seen: map[string]map[int]int{}} }

// numbered records say "source=NAME seq=NUMBER".
var numbered = regexp.MustCompile(`source=([a-z0-9-]+) seq=(\d+) end`)

func (a *tally) line(text string) {
	m := numbered.FindStringSubmatch(text)
	a.mu.Lock()
	defer a.mu.Unlock()
	if m == nil {
		a.bad = append(a.bad, text)
		return
	}
	n, _ := strconv.Atoi(m[2])
	a.add(m[1], n)
}

func (a *tally) add(source string, n int) {
	if a.seen[source] == nil {
		a.seen[source] = map[int]int{}
	}
	a.seen[source][n]++
}

// unique is how many different records of a source arrived.
func (a *tally) unique(source string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.seen[source])
}

// check holds the book against what was produced: nothing missing, nothing invented, at most so many doubles.
func (a *tally) check(t testing.TB, source string, produced, mostDoubles int) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	missing, first, doubles := 0, -1, 0
	for n := range produced {
		switch k := a.seen[source][n]; {
		case k == 0:
			if missing++; first < 0 {
				first = n
			}
		default:
			doubles += k - 1
		}
	}
	if missing > 0 {
		t.Errorf("%s: %d of %d records are missing, the first is %d", source, missing, produced, first)
	}
	if extra := len(a.seen[source]) - (produced - missing); extra > 0 {
		t.Errorf("%s: %d records arrived that nobody produced", source, extra)
	}
	if doubles > mostDoubles {
		t.Errorf("%s: %d records came twice, the bound is %d", source, doubles, mostDoubles)
	}
	if len(a.bad) > 0 {
		t.Errorf("%d records are not numbered, such as %q", len(a.bad), a.bad[0])
	}
	t.Logf("%s: %d produced, %d missing, %d doubles", source, produced, missing, doubles)
}

// logWriter writes numbered lines to a file that it rotates by rename, as fast as asked, until stopped.
type logWriter struct {
	path   string
	source string
	n      int
	stop   chan struct{}
	done   chan struct{}
}

// writeLines begins. every lines the file is renamed to name.1 and so on (numbers rise) and begun anew.
func writeLines(t testing.TB, path, source string, perSecond, every int) *logWriter {
	t.Helper()
	w := &logWriter{path: path, source: source, stop: make(chan struct{}), done: make(chan struct{})}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(w.done)
		if err := w.run(perSecond, every); err != nil {
			t.Error(err)
		}
	}()
	return w
}

func (w *logWriter) run(perSecond, every int) error {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	rotated := 0
	for {
		select {
		case <-w.stop:
			return nil
		case <-tick.C:
		}
		for range max(1, perSecond/100) {
			if _, err := fmt.Fprintf(f, "a line of a service: source=%s seq=%d end\n", w.source, w.n); err != nil {
				return err
			}
			w.n++
			if w.n%every == 0 {
				rotated++
				if err := os.Rename(w.path, fmt.Sprintf("%s.%d", w.path, rotated)); err != nil {
					return err
				}
				f.Close()
				if f, err = os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
					return err
				}
			}
		}
	}
}

// end stops the writer and returns how many lines it wrote.
func (w *logWriter) end() int {
	close(w.stop)
	<-w.done
	return w.n
}
