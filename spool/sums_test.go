package spool_test

import (
	"bytes"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// TestLostSegmentsAreCountedInItems: any segments are lost as a whole, in a log that is partly settled: what they held is counted, and
// one line says it.
func TestLostSegmentsAreCountedInItems(t *testing.T) {
	for c := range 300 {
		r := rand.New(rand.NewPCG(uint64(c), 9))
		fs := spooltest.NewFS()
		o := spool.Options{Dir: "q", FS: fs, SegmentBytes: 4 << 10}
		l := open(t, o)
		left := map[uint64]spool.Record{}
		for id := uint64(1); id <= 60; id++ {
			rec := record(id, r.IntN(700))
			if _, err := l.Append(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			left[id] = rec
		}
		for id := range left {
			if early := id < 20; r.IntN(10) < map[bool]int{true: c % 11, false: 3}[early] {
				l.Settle(spool.Seq(id))
				delete(left, id)
			}
		}
		if err := l.SaveCursor(); err != nil {
			t.Fatal(err)
		}
		if c%2 == 0 {
			l.Close()
		}
		files := fs.Files()
		segments := slices.DeleteFunc(slices.Sorted(maps.Keys(files)), func(n string) bool { return !strings.HasSuffix(n, ".seg") })
		image := image(files)
		for i, name := range segments {
			switch {
			case i > 0 && r.IntN(3) > 0 || i == 0 && r.IntN(2) > 0:
			case r.IntN(2) == 0:
				image.SetFile(name, nil)
			default:
				image.SetFile(name, bytes.Repeat([]byte("x"), len(files[name])))
			}
		}
		var log bytes.Buffer
		o.FS, o.Log = image, slog.New(slog.NewTextHandler(&log, nil))
		again, err := spool.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		ids, _, _ := drain(t, again)
		var want spool.Totals
		for id, rec := range left {
			if !ids[id] {
				want.Records, want.Count, want.Weight = want.Records+1, want.Count+uint64(rec.Count), want.Weight+rec.Weight
				want.Bytes += uint64(56+len(rec.Header)+len(rec.Body)+7) &^ 7
			}
		}
		if got := again.Stats().Damaged; got != want {
			t.Fatalf("case %d: %+v is lost, %+v is counted", c, want, got)
		}
		if lines := strings.Count(log.String(), "records are lost"); want.Records > 0 && lines != 1 {
			t.Fatalf("case %d: %d lines: %s", c, lines, log.String())
		}
		again.Close()
		third := openQuiet(t, o)
		if d := third.Stats().Damaged; d != (spool.Totals{}) {
			t.Fatalf("case %d: counted again: %+v", c, d)
		}
		third.Close()
		l.Close()
	}
}

func openQuiet(t *testing.T, o spool.Options) *spool.Log {
	o.Log = nil
	return open(t, o)
}

// TestLogsOfOldPrograms: without sums, what is missing at the front is settled, and the rest is counted in records.
func TestLogsOfOldPrograms(t *testing.T) {
	files, places := sample(t)
	segments := slices.Sorted(maps.Keys(places))
	for name, b := range files {
		switch {
		case strings.HasSuffix(name, ".seg"):
			b = slices.Clone(b)
			clear(b[64:128])
			clear(b[576:640])
			files[name] = b
		case name == "q/cursor":
			files[name] = b[:len(b)-100]
		}
	}
	for i, want := range []int{0, len(places[segments[1]])} {
		fs := image(files)
		fs.SetFile(segments[i], nil)
		l := open(t, spool.Options{Dir: "q", FS: fs})
		ids, _, _ := drain(t, l)
		if d := l.Stats().Damaged; len(ids) != 40-len(places[segments[i]]) || d != (spool.Totals{Records: uint64(want)}) {
			t.Errorf("segment %d is missing: %d records are there, %+v is lost", i, len(ids), d)
		}
		l.Close()
		// From now on there are sums.
		fs.SetFile(segments[3], nil)
		l = open(t, spool.Options{Dir: "q", FS: fs})
		if d := l.Stats().Damaged; d.Records != uint64(len(places[segments[3]])) || d.Count == 0 {
			t.Errorf("then another: %+v is lost", d)
		}
	}
}

// TestAReaderThatStandsStill: after a crash hardly more is marked than somebody had.
func TestAReaderThatStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := spooltest.NewFS()
		o := spool.Options{Dir: "q", FS: fs}
		l := open(t, o)
		for id := range uint64(1000) {
			if _, err := l.Put(record(id+1, 10)); err != nil {
				t.Fatal(err)
			}
		}
		r := l.NewReader(0, 0)
		for range 300 {
			next(t, r)
		}
		time.Sleep(time.Second)
		o.FS = fs.Crash(spooltest.KeepAll)
		again := open(t, o)
		_, maybe, _ := drain(t, again)
		marked := 0
		for _, m := range maybe {
			if m {
				marked++
			}
		}
		if marked < 300 || marked > 304 {
			t.Errorf("300 were read, %d are marked", marked)
		}
		again.Close()
		next(t, r) // it goes on
		r.Close()
		l.Close()
	})
}

// TestAWriterWithoutAReader: while a destination is away nothing is settled. The cursor is saved all the same, so that a segment that is lost
// after a kill counts with what was in it.
func TestAWriterWithoutAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := spooltest.NewFS()
		o := spool.Options{Dir: "q", FS: fs}
		l := open(t, o)
		const records = 100
		for id := range uint64(records) {
			put(t, l, id+1)
			time.Sleep(time.Second)
		}
		after := fs.Crash(spooltest.KeepAll)
		for name := range after.Files() {
			if strings.HasSuffix(name, ".seg") {
				after.SetFile(name, nil)
			}
		}
		o.FS = after
		again := open(t, o)
		if d := again.Stats().Damaged; d.Records < records-6 || d.Count < 4*(records-6)-20 {
			t.Errorf("all is lost, and it counts as %+v of %d records", d, records)
		}
		again.Close()
		l.Close()
	})
}

// TestGiveUp: the next process learns of it, once.
func TestGiveUp(t *testing.T) {
	o := spool.Options{Dir: t.TempDir()}
	for round := range 2 {
		l := open(t, o)
		put(t, l, 1, 2, 3)
		want := l.Stats().Unsettled
		if got := l.GiveUp(); got != want || l.Stats().Unsettled != (spool.Totals{}) {
			t.Errorf("gave up %+v of %+v", got, want)
		}
		l.Close()
		l = open(t, o)
		if got := l.GivenUp(); got != want {
			t.Errorf("round %d: the next process learns of %+v, not of %+v", round, got, want)
		}
		l.Close()
		l = open(t, o)
		if got := l.GivenUp(); got != (spool.Totals{}) {
			t.Errorf("%+v is told again", got)
		}
		l.Close()
	}
}

// TestVerifySeesMissingSegments: the first one, and one in the middle; ScanUnsettled counts them, too.
func TestVerifySeesMissingSegments(t *testing.T) {
	for _, missing := range []int{0, 2} {
		dir := t.TempDir()
		l := open(t, spool.Options{Dir: dir, SegmentBytes: 2 << 10})
		put(t, l, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
		l.Close()
		r, err := spool.Inspect(dir)
		if err != nil || len(r.Segments) < 4 {
			t.Fatalf("%+v, %v", r, err)
		}
		gone := r.Segments[missing]
		if err := os.Remove(gone.File); err != nil {
			t.Fatal(err)
		}
		d, err := spool.Verify(dir, nil)
		if err != nil || len(d) != 1 || d[0].Kind != "gap" || d[0].Records != gone.Totals.Records {
			t.Errorf("segment %d of %d records is missing: %+v, %v", missing, gone.Totals.Records, d, err)
		}
		if lost, err := spool.ScanUnsettled(dir, func(spool.Entry) error { return nil }); err != nil || lost != gone.Totals.Records {
			t.Errorf("%d records are lost, %d counted, %v", gone.Totals.Records, lost, err)
		}
	}
}
