package spool_test

import (
	"bytes"
	"errors"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/spool/spooltest"
)

// A laid record is where one of a sample stands.
type laid struct {
	id       uint64
	at, till int64 // without padding
}

// sample is a log that was closed, with the place of each record in each file.
func sample(t *testing.T) (map[string][]byte, map[string][]laid) {
	fs := spooltest.NewFS()
	l := open(t, spool.Options{Dir: "q", FS: fs, SegmentBytes: 4 << 10})
	r := rand.New(rand.NewPCG(3, 3))
	places := map[string][]laid{}
	for id := uint64(1); id <= 40; id++ {
		rec := record(id, r.IntN(700))
		if _, err := l.Put(rec); err != nil {
			t.Fatal(err)
		}
		files := slices.Sorted(maps.Keys(fs.Files()))
		files = slices.DeleteFunc(files, func(n string) bool { return !strings.HasSuffix(n, ".seg") })
		name, at := files[len(files)-1], int64(1024)
		if p := places[name]; len(p) > 0 {
			at = (p[len(p)-1].till + 7) &^ 7
		}
		places[name] = append(places[name], laid{id, at, at + 56 + 8 + int64(len(rec.Body))})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fs.Files(), places
}

func image(files map[string][]byte) *spooltest.FS {
	fs := spooltest.NewFS()
	_ = fs.Mkdir("q")
	for name, b := range files {
		fs.SetFile(name, b)
	}
	return fs
}

// drainAndSettle settles all, so that segments end and what was lost in them is known.
func drainAndSettle(t *testing.T, l *spool.Log) map[uint64]bool {
	t.Helper()
	ids, _, _ := drain(t, l)
	if got := l.DropOldest(1 << 40); got != (spool.Totals{}) {
		t.Fatalf("%+v are handed out, and dropped", got)
	}
	r := l.NewReader(0, l.End())
	defer r.Close()
	for {
		e, err := r.Next(t.Context(), nil)
		if err != nil {
			break
		}
		l.Settle(e.Seq)
	}
	seq, err := l.Append(t.Context(), record(1000, 10))
	if err != nil {
		t.Fatal(err)
	}
	l.Settle(seq)
	if err := l.SaveCursor(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// TestDamageCostsWhatIsDamaged: F16. Each case damages one place of one file.
func TestDamageCostsWhatIsDamaged(t *testing.T) {
	files, places := sample(t)
	segments := slices.Sorted(maps.Keys(places))
	cases := 10000
	if testing.Short() || raceEnabled {
		cases = 1500
	}
	r := rand.New(rand.NewPCG(5, 5))
	hit, exact := 0, 0
	for c := range cases {
		name := segments[r.IntN(len(segments))]
		b := slices.Clone(files[name])
		p := places[name]
		rec := p[r.IntN(len(p))]
		// A place of each class: header, its copy, each field of a head, header bytes, body, padding, footer.
		off := []int64{r.Int64N(64), 512 + r.Int64N(64), rec.at + r.Int64N(56), rec.at + r.Int64N(56), rec.at + 56 + r.Int64N(8),
			rec.at + 56 + r.Int64N(rec.till-rec.at-56), rec.till, rec.at, int64(len(b)) - 1 - r.Int64N(64), r.Int64N(int64(len(b)))}[r.IntN(10)]
		off = min(off, int64(len(b))-1)
		n := min(1+r.Int64N(64), int64(len(b))-off)
		from, till := off, off+n // records that overlap may be lost
		kind := []string{"flip", "zero", "truncate", "insert", "duplicate"}[r.IntN(5)]
		switch kind {
		case "flip":
			b[off] ^= 1 << r.IntN(8)
			till = off + 1
		case "zero":
			clear(b[off:till])
		case "truncate":
			b, till = b[:off], 1<<40
		case "insert":
			junk := make([]byte, n)
			for i := range junk {
				junk[i] = byte(r.Uint32())
			}
			b, till = slices.Insert(b, int(off), junk...), off
		case "duplicate":
			b, from = slices.Insert(b, int(till), slices.Clone(b[off:till])...), till
		}
		fs := image(files)
		fs.SetFile(name, b)
		o := spool.Options{Dir: "q", FS: fs, SegmentBytes: 4 << 10}
		l, err := spool.Open(o)
		if err != nil {
			t.Fatalf("case %d: %v", c, err)
		}
		ids := drainAndSettle(t, l)
		lost, items := uint64(0), uint64(0)
		for file, list := range places {
			for _, rec := range list {
				if ids[rec.id] {
					continue
				}
				lost++
				items += rec.id%7 + 1
				inside := rec.at < till && from < rec.till
				if kind == "insert" || kind == "duplicate" {
					inside = rec.at < from && from < rec.till
				}
				if file != name || !inside {
					t.Errorf("record %d at %d is lost", rec.id, rec.at)
				}
			}
		}
		d := l.Stats().Damaged
		if d.Records != lost || d.Count > items {
			t.Errorf("%d records (%d items) are lost, %+v is counted; torn %+v", lost, items, d, l.Stats().Torn)
		}
		if d.Count == items {
			exact++
		} else if kind == "flip" && off < int64(len(b))-64 {
			t.Errorf("%d items are lost, %d counted, though the footer is whole", items, d.Count)
		}
		if lost > 0 {
			hit++
			kept := false
			for file := range fs.Files() {
				kept = kept || strings.HasPrefix(file, "q/damaged/")
			}
			if !kept && kind != "zero" && kind != "truncate" {
				t.Error("no bytes are kept aside")
			}
		}
		l.Close()
		l, err = spool.Open(o)
		if err != nil {
			t.Fatalf("case %d: %v", c, err)
		}
		if st := l.Stats(); st.Unsettled != (spool.Totals{}) || st.Damaged.Records != 0 || st.Torn.Records != 0 {
			t.Errorf("opened again: %+v", st)
		}
		l.Close()
		if t.Failed() {
			t.Fatalf("case %d: %s at %d of %s (%d bytes)", c, kind, off, name, len(files[name]))
		}
	}
	if hit < cases/4 {
		t.Errorf("only %d of %d cases lost something", hit, cases)
	}
	t.Logf("%d cases, %d lost records, items counted exactly in %d", cases, hit, exact)
}

// TestDamageIsCountedOnceOverRestarts: found by one process, gone on with by the next.
func TestDamageIsCountedOnceOverRestarts(t *testing.T) {
	files, places := sample(t)
	name := slices.Sorted(maps.Keys(places))[1]
	b := slices.Clone(files[name])
	b[places[name][1].at+20]++ // a head
	fs := image(files)
	fs.SetFile(name, b)
	o := spool.Options{Dir: "q", FS: fs}
	var sum spool.Totals
	for round := range 3 {
		l := open(t, o)
		if round < 2 {
			drain(t, l)
		} else {
			drainAndSettle(t, l)
		}
		d := l.Stats().Damaged
		sum.Records += d.Records
		sum.Count += d.Count
		l.Close()
	}
	if want := places[name][1].id%7 + 1; sum.Records != 1 || sum.Count != want {
		t.Errorf("counted %+v, want 1 record with %d items", sum, want)
	}
}

// TestCursorDamaged: all comes again, marked, and nothing counts as lost.
func TestCursorDamaged(t *testing.T) {
	files, _ := sample(t)
	for off := range len(files["q/cursor"]) - 100 { // without the sums
		fs := image(files)
		b := slices.Clone(files["q/cursor"])
		b[off] ^= 0x40
		fs.SetFile("q/cursor", b)
		l, err := spool.Open(spool.Options{Dir: "q", FS: fs})
		if _, future := errors.AsType[*spool.VersionError](err); future {
			t.Fatalf("a flipped bit at %d is taken for a version", off)
		}
		if err != nil {
			t.Fatal(err)
		}
		ids, maybe, _ := drain(t, l)
		if len(ids) != 40 || !maybe[1] || l.Stats().Damaged.Records != 0 {
			t.Errorf("byte %d: %d records, %+v", off, len(ids), l.Stats())
		}
		if fs.Files()["q/damaged/cursor"] == nil {
			t.Errorf("byte %d: the cursor is not kept", off)
		}
		l.Close()
	}
}

// TestStrangeFiles: F17.
func TestStrangeFiles(t *testing.T) {
	files, places := sample(t)
	segments := slices.Sorted(maps.Keys(places))
	for what, change := range map[string]func(fs *spooltest.FS) (lost int){
		"missing in the middle": func(fs *spooltest.FS) int { fs.SetFile(segments[2], nil); return len(places[segments[2]]) },
		"missing at the front":  func(fs *spooltest.FS) int { fs.SetFile(segments[0], nil); return len(places[segments[0]]) },
		"missing at the end": func(fs *spooltest.FS) int {
			last := segments[len(segments)-1]
			fs.SetFile(last, nil)
			return len(places[last])
		},
		"extra files": func(fs *spooltest.FS) int {
			fs.SetFile("q/README", []byte("hello"))
			fs.SetFile("q/123.seg", []byte("hello"))
			fs.SetFile("q/000000000000ffff.seg", []byte("hello"))
			return 0
		},
		"zero length":      func(fs *spooltest.FS) int { fs.SetFile("q/000000000000ffff.seg", []byte{}); return 0 },
		"emptied":          func(fs *spooltest.FS) int { fs.SetFile(segments[1], []byte{}); return len(places[segments[1]]) },
		"a directory":      func(fs *spooltest.FS) int { _ = fs.Mkdir("q/0000000000000999.seg"); return 0 },
		"renamed":          func(fs *spooltest.FS) int { _ = fs.Rename(segments[1], "q/0000000000000888.seg"); return 0 },
		"a copy":           func(fs *spooltest.FS) int { fs.SetFile("q/0000000000000888.seg", files[segments[1]]); return 0 },
		"without a cursor": func(fs *spooltest.FS) int { fs.SetFile("q/cursor", nil); return 0 },
		"an old temporary": func(fs *spooltest.FS) int { fs.SetFile("q/cursor.tmp", []byte("half")); return 0 },
		"nothing left": func(fs *spooltest.FS) int {
			for _, s := range segments {
				fs.SetFile(s, nil)
			}
			return 40
		},
		"unreadable for now": func(fs *spooltest.FS) int {
			fs.Hook = func(op spooltest.Op) error {
				if op.Name == segments[1] {
					return syscall.EACCES
				}
				return nil
			}
			return len(places[segments[1]])
		},
	} {
		t.Run(what, func(t *testing.T) {
			fs := image(files)
			lost := change(fs)
			l := open(t, spool.Options{Dir: "q", FS: fs})
			ids, _, _ := drain(t, l)
			st := l.Stats()
			if len(ids) != 40-lost || st.Damaged.Records != uint64(lost) {
				t.Errorf("%d records are there; lost %d: %+v", len(ids), lost, st)
			}
			var items, weight uint64
			for id := uint64(1); id <= 40; id++ {
				if !ids[id] {
					items, weight = items+id%7+1, weight+1000+id
				}
			}
			if st.Damaged.Count != items || st.Damaged.Weight != weight {
				t.Errorf("%d items of weight %d are lost, and %+v is counted", items, weight, st.Damaged)
			}
			if seq := put(t, l, 77); seq <= 40 {
				t.Errorf("number %d is used again", seq)
			}
		})
	}
}

// TestFutureVersion: a newer program's files are refused, and are as they were.
func TestFutureVersion(t *testing.T) {
	files, places := sample(t)
	for _, name := range []string{"q/cursor", slices.Sorted(maps.Keys(places))[1]} {
		fs := image(files)
		b := slices.Clone(files[name])
		spool.SetVersion(b, 3)
		if strings.HasSuffix(name, ".seg") {
			spool.SetVersion(b[512:], 3)
		}
		fs.SetFile(name, b)
		before := fs.Files()
		_, err := spool.Open(spool.Options{Dir: "q", FS: fs})
		v, ok := errors.AsType[*spool.VersionError](err)
		if !ok || v.Version != 3 || v.File != name {
			t.Errorf("%s: %v", name, err)
		}
		if after := fs.Files(); !maps.EqualFunc(before, after, bytes.Equal) {
			t.Errorf("%s: files were changed", name)
		}
	}
}

// TestFullDiskDrains: F15. The disk is full by us or by others, with or without room for the cursor.
func TestFullDiskDrains(t *testing.T) {
	for _, noCursor := range []bool{false, true} {
		fs := spooltest.NewFS()
		fs.Capacity = 1 << 20
		var strict atomic.Bool
		fs.Hook = func(op spooltest.Op) error {
			if strict.Load() && strings.HasSuffix(op.Name, "cursor.tmp") && op.Kind == "write" {
				return syscall.ENOSPC
			}
			return nil
		}
		o := spool.Options{Dir: "q", FS: fs, SegmentBytes: 100 << 10}
		l := open(t, o)
		n := 0
		for ; ; n++ {
			if _, err := l.Put(record(uint64(n+1), 8000)); err != nil {
				break
			}
		}
		if free, _ := fs.Free("q"); free > 0 {
			fs.Take(int64(free))
		}
		if !noCursor { // the reserve is what the cursor gets
			if err := l.Durable(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if free, _ := fs.Free("q"); free > 0 { // sealing gave some back
				fs.Take(int64(free))
			}
			l.Settle(1)
			if err := l.SaveCursor(); err != nil {
				t.Errorf("the reserve is no help: %v", err)
			}
			n--
		}
		strict.Store(noCursor)
		ids := map[uint64]bool{}
		r := l.NewReader(0, l.End())
		for range n {
			e, err := r.Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			id, _ := idOf(e)
			ids[id] = true
			l.Settle(e.Seq)
		}
		r.Close()
		if err := l.SaveCursor(); (err != nil) != noCursor {
			t.Errorf("saving the cursor: %v", err)
		}
		st := l.Stats()
		if n < 90 || len(ids) != n || st.Unsettled != (spool.Totals{}) || st.Segments > 1 {
			t.Errorf("%d of %d records drained: %+v", len(ids), n, st)
		}
		// What is unlinked is settled, also for the next process.
		o.FS = fs.Crash(spooltest.KeepNone)
		again := open(t, o)
		if st := again.Stats(); st.Damaged.Records != 0 || st.AtOpen.Records > 15 {
			t.Errorf("after a crash: %+v", st)
		}
		again.Close()
		strict.Store(false)
		if _, err := l.Append(t.Context(), record(5000, 8000)); err != nil {
			t.Errorf("there is room again: %v", err)
		}
		l.Close()
	}
}

// TestFullOfItsOwn: one segment takes the whole disk and is settled; only a new one can free it.
func TestFullOfItsOwn(t *testing.T) {
	fs := spooltest.NewFS()
	fs.Capacity = 1 << 20
	l := open(t, spool.Options{Dir: "q", FS: fs})
	for {
		if _, err := l.Put(record(1, 8000)); err != nil {
			break
		}
	}
	l.Settle(0)
	if err := l.Durable(t.Context(), l.End()-1); err != nil {
		t.Fatal(err)
	}
	l.DropOldest(1 << 30)
	_, _ = l.Put(record(2, 80000)) // does not fit, and says so to the log
	_ = l.Durable(t.Context(), l.End()-1)
	for try := range 100 {
		if _, err := l.Append(t.Context(), record(3, 80000)); err == nil {
			return
		} else if try == 99 {
			t.Fatal(err)
		}
		_ = l.SaveCursor()
	}
}

// TestTools read what a log wrote, without its lock.
func TestTools(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Options{Dir: dir, SegmentBytes: 2 << 10})
	put(t, l, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
	l.DropOldest(1)
	if err := l.SaveCursor(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // open, then closed
		rep, err := spool.Inspect(dir)
		if err != nil || len(rep.Segments) != 2 || rep.Cursor != 2 || rep.Unsettled != 9 || rep.Segments[0].Totals.Records+rep.Segments[1].Totals.Records != 10 {
			t.Errorf("%+v, %v", rep, err)
		}
		n := uint64(0)
		if err := spool.Scan(dir, func(e spool.Entry) error {
			id, err := idOf(e)
			if n++; id != n {
				t.Errorf("record %d at %d", id, n)
			}
			return err
		}); err != nil || n != 10 {
			t.Errorf("%d records, %v", n, err)
		}
		if d, err := spool.Verify(dir, nil); err != nil || len(d) != 0 {
			t.Errorf("%+v, %v", d, err)
		}
		l.Close()
	}
	name := filepath.Join(dir, "0000000000000001.seg")
	spool.FlipByte(t, name, 1024+68)
	d, err := spool.Verify(dir, func(done, total int64) {
		if done > total {
			t.Errorf("%d of %d", done, total)
		}
	})
	if err != nil || len(d) != 1 || d[0].Kind != "body" || d[0].Offset != 1024 || d[0].Records != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestEmptyNewestIsNotDamage: all was settled and unlinked by an old program without a cursor, and the newest segment is a name without a
// byte.
func TestEmptyNewestIsNotDamage(t *testing.T) {
	files, places := sample(t)
	fs := image(files)
	for name := range places {
		fs.SetFile(name, nil)
	}
	fs.SetFile("q/0000000000000029.seg", []byte{})
	fs.SetFile("q/cursor", files["q/cursor"][:len(files["q/cursor"])-100])
	for range 2 {
		l := open(t, spool.Options{Dir: "q", FS: fs})
		if st := l.Stats(); st.Damaged.Records != 0 || st.Unsettled.Records != 0 || l.End() <= 41 {
			t.Errorf("next %d: %+v", l.End(), st)
		}
		l.Close()
	}
}

// TestLostHeadInTheNewestSegmentIsCountedInItems: the segment stays, so nothing but its end says what the record held.
func TestLostHeadInTheNewestSegmentIsCountedInItems(t *testing.T) {
	files, places := sample(t)
	newest := slices.Max(slices.Collect(maps.Keys(places)))
	victim := places[newest][1]
	fs := image(files)
	b := slices.Clone(files[newest])
	b[victim.at] ^= 0xff
	fs.SetFile(newest, b)
	l := open(t, spool.Options{Dir: "q", FS: fs, SegmentBytes: 4 << 10})
	before := l.Stats().Unsettled.Count
	r := l.NewReader(0, 0)
	var got uint64
	for l.Stats().Unsettled.Records > 0 {
		e, err := r.Next(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got += uint64(e.Count)
		l.Settle(e.Seq)
	}
	r.Close()
	l.Close()
	if st := l.Stats(); st.Damaged.Records != 1 || st.Damaged.Count != before-got || st.Unsettled != (spool.Totals{}) {
		t.Errorf("%d items of %d were read: %+v", got, before, st)
	}
}
