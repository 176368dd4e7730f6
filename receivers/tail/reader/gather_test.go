package reader

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
	"github.com/sluiceio/sluice/wire"
)

// attempt is one call of a trial's sink.
type attempt struct {
	at    time.Duration // since the start
	size  int
	lines map[string][]string // by file name
	parts int                 // resourceLogs
}

func (a attempt) files() int { return len(a.lines) }

// trial is a reader, its files and what its sink was called with.
type trial struct {
	t     *testing.T
	r     *Reader
	dir   string
	begin time.Time
	files map[string]*File

	mu       sync.Mutex
	attempts []attempt
	out      map[string]int // outstanding calls by file
	bytes    int            // outstanding
	peak     int
	answer   func(attempt, pipeline.Batch) error
}

func lingering(linger time.Duration) Config {
	cfg := plain
	cfg.Linger, cfg.MaxOpenFiles, cfg.MaxInFlight = linger, 1000, 4
	return cfg
}

func newTrial(t *testing.T, cfg Config) *trial {
	x := &trial{t: t, dir: t.TempDir(), begin: time.Now(), files: map[string]*File{}, out: map[string]int{}}
	x.r = newReader(t, cfg, x)
	return x
}

// Consume notes a call and answers it.
func (x *trial) Consume(_ context.Context, b pipeline.Batch) error {
	a := attempt{at: time.Since(x.begin), size: len(b.Request), lines: map[string][]string{}}
	n := 0
	for rs := b.Request.Resources(); rs.Next(); a.parts++ {
		name, _ := wire.ResourceAttributes(rs.Resource()).Find("log.file.name")
		from, count := n, 0
		for ss := rs.Scopes(); ss.Next(); {
			for items := ss.Items(); items.Next(); count++ {
			}
		}
		n += count
		a.lines[string(name.Str())] = append(a.lines[string(name.Str())], recordsOf(b.Cut(from, n).Request)...)
	}
	if n != b.Items {
		x.t.Errorf("%d records in a batch of %d", n, b.Items)
	}
	x.mu.Lock()
	x.attempts = append(x.attempts, a)
	x.bytes += a.size
	x.peak = max(x.peak, x.bytes)
	for name := range a.lines {
		x.out[name]++
	}
	answer := x.answer
	x.mu.Unlock()
	var err error
	if answer != nil {
		err = answer(a, b)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.bytes -= a.size
	for name := range a.lines {
		x.out[name]--
	}
	return err
}

// write appends to a file, and begins to read it at the first time.
func (x *trial) write(name, content string) *File {
	x.t.Helper()
	path := filepath.Join(x.dir, name)
	h, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = h.WriteString(content)
		err = errors.Join(err, h.Close())
	}
	if err != nil {
		x.t.Fatal(err)
	}
	if x.files[name] == nil {
		s, err := fileid.StatPath(path)
		if err != nil {
			x.t.Fatal(err)
		}
		x.files[name] = x.r.NewFile(Begin{Name: path, Path: path, Stat: s})
		if !x.r.Start(x.files[name], nil) {
			x.t.Fatal("not started")
		}
	}
	return x.files[name]
}

func (x *trial) calls() []attempt {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.attempts)
}

func (x *trial) offset(name string) int64 { return x.files[name].Entry(time.Now()).Offset }

// TestFilesLeaveTogether: the lines of all files within a linger are one request with one resource a file, in each file's
// order; the checkpoints move with its answer and not before.
func TestFilesLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Second))
		for i := range 20 {
			x.write(fmt.Sprint(i), "one\n")
		}
		time.Sleep(500 * time.Millisecond)
		for i := range 20 {
			x.write(fmt.Sprint(i), "two\n")
		}
		time.Sleep(499 * time.Millisecond)
		if n := len(x.calls()); n != 0 || x.offset("7") != 0 {
			t.Errorf("%d requests before the linger ended; offset %d", n, x.offset("7"))
		}
		time.Sleep(2 * time.Millisecond)
		calls := x.calls()
		if len(calls) != 1 || calls[0].files() != 20 || calls[0].parts != 20 || calls[0].at != time.Second {
			t.Fatalf("%+v", calls)
		}
		for name, lines := range calls[0].lines {
			if strings.Join(lines, " ") != `"one" "two"` || x.offset(name) != 8 {
				t.Errorf("%s: %q, offset %d", name, lines, x.offset(name))
			}
		}
		// A lone line of an idle file waits for the linger, not longer.
		time.Sleep(30 * time.Second)
		x.write("3", "three\n")
		wrote := time.Since(x.begin)
		time.Sleep(5 * time.Second)
		calls = x.calls()
		if last := calls[len(calls)-1]; len(calls) != 2 || last.at-wrote > time.Second+plain.PollInterval {
			t.Errorf("%d requests, the last after %s", len(calls), last.at-wrote)
		}
		stop(x.r)
	})
}

// TestAFullRequestLeaves: a full request waits for nobody, and none is larger than MaxBatchBytes.
func TestAFullRequestLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := lingering(time.Minute)
		x := newTrial(t, cfg)
		for i := range 50 {
			x.write(fmt.Sprint(i), strings.Repeat(strings.Repeat("x", 100)+"\n", 50))
		}
		time.Sleep(time.Second)
		calls := x.calls()
		if len(calls) < 3 {
			t.Fatalf("%d requests after a second", len(calls))
		}
		for _, c := range calls {
			if c.size > cfg.MaxBatchBytes || c.size < cfg.MaxBatchBytes*3/4 || c.parts != c.files() {
				t.Errorf("a request of %d bytes, %d files in %d parts", c.size, c.files(), c.parts)
			}
		}
		stop(x.r)
	})
}

// TestABusyFileDoesNotWait: a file that fills requests sends them, and its rest, at once.
func TestABusyFileDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Second))
		x.write("idle", "one\n")
		x.write("busy", strings.Repeat(strings.Repeat("x", 100)+"\n", 5000))
		time.Sleep(100 * time.Millisecond)
		n := 0
		for _, c := range x.calls() {
			n += len(c.lines["busy"])
		}
		if n != 5000 {
			t.Errorf("%d lines arrived", n)
		}
		if x.offset("idle") != 0 {
			t.Error("a busy file takes others along")
		}
		time.Sleep(time.Second)
		if x.offset("idle") != 4 {
			t.Error("the idle file's line is late")
		}
		stop(x.r)
	})
}

// TestOnlyWhatIsRefusedWaits: of a gathered request, each refused file is repeated in a request of its own, with what was
// refused of it; a rejection costs its own file; all others go on together.
func TestOnlyWhatIsRefusedWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Second))
		var down atomic.Bool
		down.Store(true)
		x.answer = func(a attempt, b pipeline.Batch) error {
			if !down.Load() {
				return nil
			}
			g, at := pipeline.NewGather(b.Items), 0
			for rs := b.Request.Resources(); rs.Next(); {
				name, _ := wire.ResourceAttributes(rs.Resource()).Find("log.file.name")
				n := len(a.lines[string(name.Str())])
				switch string(name.Str()) {
				case "refused": // but for its first line, at first
					g.Refuse(pipeline.Ranges{{From: at + min(n-1, 1), To: at + n}}, pipeline.Refuse(0, errors.New("later")))
				case "rejected":
					g.Reject(pipeline.Rejected{Ranges: pipeline.Ranges{{From: at, To: at + n}}, Reason: pipeline.DropInvalid, Err: errors.New("bad")})
				}
				at += n
			}
			return g.Err()
		}
		for _, name := range []string{"refused", "rejected", "good"} {
			x.write(name, "one\ntwo\nthree\n")
		}
		time.Sleep(1500 * time.Millisecond)
		if x.offset("refused") != 0 || x.offset("rejected") != 14 || x.offset("good") != 14 {
			t.Errorf("offsets %d, %d, %d", x.offset("refused"), x.offset("rejected"), x.offset("good"))
		}
		x.write("refused", "four\n")
		x.write("good", "four\n")
		time.Sleep(10 * time.Second)
		if x.offset("refused") != 0 || x.offset("good") != 19 {
			t.Errorf("offsets %d, %d: a refused file holds others up", x.offset("refused"), x.offset("good"))
		}
		calls := x.calls()
		for _, c := range calls[1:] {
			if got := c.lines["refused"]; got != nil && (c.files() != 1 || got[0] != `"two"` && got[0] != `"three"`) {
				t.Errorf("a repeat is %v", c.lines)
			}
		}
		down.Store(false)
		time.Sleep(30 * time.Second)
		if x.offset("refused") != 19 {
			t.Errorf("offset %d after the end of the refusal", x.offset("refused"))
		}
		var good, refused []string
		for _, c := range x.calls() {
			good = append(good, c.lines["good"]...)
			refused = append(refused, c.lines["refused"]...)
		}
		if strings.Join(good, " ") != `"one" "two" "three" "four"` || refused[len(refused)-1] != `"four"` {
			t.Errorf("good %q, refused %q", good, refused)
		}
		x.write("refused", "five\n")
		x.write("good", "five\n")
		time.Sleep(5 * time.Second)
		calls = x.calls()
		if last := calls[len(calls)-1]; last.files() != 2 {
			t.Errorf("after the refusal they do not leave together again: %v", last.lines)
		}
		stop(x.r)
	})
}

// TestARefusedRequestIsDivided: when all is refused, the repeats are one request a file, and the refusal counts once.
func TestARefusedRequestIsDivided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Second))
		x.answer = func(a attempt, _ pipeline.Batch) error {
			if a.files() > 1 {
				return pipeline.Refuse(2*time.Second, errors.New("too large for me"))
			}
			return nil
		}
		for i := range 10 {
			x.write(fmt.Sprint(i), "one\n")
		}
		time.Sleep(2900 * time.Millisecond)
		if n := len(x.calls()); n != 1 {
			t.Errorf("%d requests before the delay that the destination asked for ended", n)
		}
		time.Sleep(time.Minute)
		if n := len(x.calls()); n != 11 || testutil.ToFloat64(x.r.metrics.Refused) != 1 {
			t.Errorf("%d requests, %v refusals", n, testutil.ToFloat64(x.r.metrics.Refused))
		}
		for name := range x.files {
			if x.offset(name) != 4 {
				t.Errorf("%s: offset %d", name, x.offset(name))
			}
		}
		if !x.r.memory.TryAcquire(x.r.cfg.MaxInFlightBytes) {
			t.Error("memory stays reserved")
		}
		stop(x.r)
	})
}

// TestACountRejects: a partial success that gives a count only is the end of all lines, once.
func TestACountRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Second))
		x.answer = func(attempt, pipeline.Batch) error {
			return pipeline.Reject(2, pipeline.DropInvalid, errors.New("two of them"))
		}
		for i := range 5 {
			x.write(fmt.Sprint(i), "one\n")
		}
		time.Sleep(time.Minute)
		if n := len(x.calls()); n != 1 || x.offset("0") != 4 || x.offset("4") != 4 {
			t.Errorf("%d requests, offsets %d, %d", n, x.offset("0"), x.offset("4"))
		}
		stop(x.r)
	})
}

// TestLingerZero: each request is of one file, and leaves when its lines are read.
func TestLingerZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(0))
		rnd := rand.New(rand.NewPCG(1, 2))
		time.Sleep(plain.PollInterval / 2) // not when a look is due
		for range 200 {
			before := len(x.calls())
			names := map[string]bool{}
			for range 1 + rnd.IntN(5) {
				names[fmt.Sprint(rnd.IntN(20))] = true
			}
			for name := range names {
				x.write(name, "a line\n")
			}
			from := time.Since(x.begin)
			time.Sleep(2 * plain.PollInterval)
			calls := x.calls()[before:]
			if len(calls) != len(names) {
				t.Fatalf("%d requests for %d files", len(calls), len(names))
			}
			for _, c := range calls {
				if c.files() != 1 || c.parts != 1 || c.at-from > plain.PollInterval {
					t.Fatalf("%d files, %d parts, after %s", c.files(), c.parts, c.at-from)
				}
			}
		}
		if x.r.gather.open != nil {
			t.Error("something waits")
		}
		stop(x.r)
	})
}

// TestStopSendsWhatWaits: a stop does not wait for the linger, and loses nothing that was read.
func TestStopSendsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTrial(t, lingering(time.Minute))
		for i := range 10 {
			x.write(fmt.Sprint(i), "one\n")
		}
		time.Sleep(time.Second)
		begin := time.Now()
		stop(x.r)
		if took := time.Since(begin); took > 0 || len(x.calls()) != 1 || x.offset("9") != 4 {
			t.Errorf("it took %s, %d requests, offset %d", took, len(x.calls()), x.offset("9"))
		}
	})
}

// TestGatheringIsBounded: outstanding requests and what waits stay within MaxInFlightBytes, also when that holds a single
// request, and all arrives when the destination is back.
func TestGatheringIsBounded(t *testing.T) {
	for _, requests := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			cfg := lingering(time.Second)
			cfg.MaxInFlightBytes = int64(requests * cfg.MaxBatchBytes)
			x := newTrial(t, cfg)
			stuck := make(chan struct{})
			x.answer = func(attempt, pipeline.Batch) error { <-stuck; return nil }
			for range 20 {
				for i := range 100 {
					x.write(fmt.Sprint(i), strings.Repeat("x", 200)+"\n")
				}
				time.Sleep(time.Second)
			}
			close(stuck)
			time.Sleep(time.Minute)
			for name := range x.files {
				if x.offset(name) != 20*201 {
					t.Errorf("%s: offset %d", name, x.offset(name))
				}
			}
			stop(x.r)
			if x.peak > int(cfg.MaxInFlightBytes) || x.peak == 0 {
				t.Errorf("%d bytes were outstanding, of at most %d", x.peak, cfg.MaxInFlightBytes)
			}
		})
	}
}

// TestRandomAnswers: whatever is refused, rejected or late, each line is taken or rejected once, and at most MaxInFlight
// requests of a file are outstanding.
func TestRandomAnswers(t *testing.T) {
	for seed := range uint64(20) {
		for _, limit := range []int{1, 4} {
			synctest.Test(t, func(t *testing.T) { randomAnswers(t, seed, limit) })
		}
	}
}

func randomAnswers(t *testing.T, seed uint64, limit int) {
	cfg := lingering(time.Duration(1+seed%3) * 300 * time.Millisecond)
	cfg.MaxInFlight, cfg.MaxBatchBytes, cfg.MaxInFlightBytes = limit, 20<<10, 100<<10
	x := newTrial(t, cfg)
	var mu sync.Mutex
	rnd := rand.New(rand.NewPCG(seed, 7))
	ended := map[string][]string{}
	x.answer = func(a attempt, b pipeline.Batch) error {
		x.mu.Lock()
		for name := range a.lines {
			if x.out[name] > limit {
				t.Errorf("%d requests of a file are outstanding", x.out[name])
			}
		}
		x.mu.Unlock()
		mu.Lock()
		late := time.Duration(rnd.IntN(800)) * time.Millisecond
		all, done := rnd.IntN(6), map[string]bool{}
		g, at := pipeline.NewGather(b.Items), 0
		for rs := b.Request.Resources(); rs.Next(); {
			found, _ := wire.ResourceAttributes(rs.Resource()).Find("log.file.name")
			name := string(found.Str())
			if done[name] { // a repeat has a resource for each range
				continue
			}
			done[name] = true
			for _, line := range a.lines[name] {
				one := pipeline.Ranges{{From: at, To: at + 1}}
				at++
				if all == 0 || rnd.IntN(20) == 0 {
					g.Refuse(one, pipeline.Refuse(0, errors.New("later")))
					continue
				}
				if rnd.IntN(20) == 0 {
					g.Reject(pipeline.Rejected{Ranges: one, Reason: pipeline.DropInvalid, Err: errors.New("never")})
				}
				ended[name] = append(ended[name], line)
			}
		}
		mu.Unlock()
		time.Sleep(late)
		return g.Err()
	}
	draw := rand.New(rand.NewPCG(seed, 8))
	written := map[string]int{}
	for range 60 {
		for range 8 {
			name := fmt.Sprint(draw.IntN(12))
			var text strings.Builder
			for range 1 + draw.IntN(3)*draw.IntN(40) {
				fmt.Fprintf(&text, "%d %s\n", written[name], strings.Repeat("x", draw.IntN(60)))
				written[name]++
			}
			x.write(name, text.String())
		}
		time.Sleep(time.Duration(draw.IntN(400)) * time.Millisecond)
	}
	time.Sleep(20 * time.Minute)
	stop(x.r)
	for name, n := range written {
		mu.Lock()
		got := ended[name]
		mu.Unlock()
		seen, last := map[int]bool{}, -1
		for _, line := range got {
			var i int
			if _, err := fmt.Sscanf(line, `"%d `, &i); err != nil || seen[i] {
				t.Fatalf("seed %d, limit %d: %s: %q came twice, or is torn", seed, limit, name, line)
			}
			seen[i] = true
			last = i
		}
		if len(seen) != n || x.files[name].Outstanding() || x.files[name].Unread() != 0 {
			t.Fatalf("seed %d, limit %d: %s: %d of %d lines, last %d, outstanding %t", seed, limit, name, len(seen), n, last, x.files[name].Outstanding())
		}
	}
	if !x.r.memory.TryAcquire(cfg.MaxInFlightBytes) {
		t.Error("memory stays reserved")
	}
}
