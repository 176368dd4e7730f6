package spool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluiceio/sluice/spool"
	"github.com/sluiceio/sluice/spool/spooltest"
)

func open(t testing.TB, o spool.Options) *spool.Log {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	l, err := spool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func put(t testing.TB, l *spool.Log, ids ...uint64) (last spool.Seq) {
	t.Helper()
	for _, id := range ids {
		var err error
		if last, err = l.Put(record(id, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Durable(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	return last
}

func next(t testing.TB, r *spool.Reader) (spool.Entry, uint64) {
	t.Helper()
	e, err := r.Next(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	id, err := idOf(e)
	if err != nil {
		t.Fatal(err)
	}
	return e, id
}

// TestOutOfOrder: what is settled in any order stays settled over a restart, and the rest comes again, marked.
func TestOutOfOrder(t *testing.T) {
	o := spool.Options{Dir: t.TempDir(), SegmentBytes: 2 << 10}
	l := open(t, o)
	put(t, l, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
	r := l.NewReader(0, 0)
	var seqs []spool.Seq
	for range 15 {
		e, _ := next(t, r)
		if e.MaybeSent {
			t.Error("a new record is marked")
		}
		seqs = append(seqs, e.Seq)
	}
	for _, i := range []int{14, 0, 2, 1, 9, 8, 7, 12, 9, 9} {
		l.Settle(seqs[i])
	}
	l.Settle(18) // not handed out
	l.Settle(99) // not there
	r.Close()
	left := l.Stats().Unsettled
	if left.Records != 20-9 {
		t.Errorf("%d unsettled", left.Records)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, o)
	st := l.Stats()
	if st.AtOpen != left || st.Unsettled != left {
		t.Errorf("%+v at open, %+v before", st.AtOpen, left)
	}
	if !st.Oldest.Equal(time.Unix(0, 4)) {
		t.Errorf("the oldest is of %v", st.Oldest)
	}
	ids, maybe, _ := drain(t, l)
	for id, want := range map[uint64]bool{4: true, 5: true, 6: true, 7: true, 11: true, 12: true, 14: true, 16: false, 17: false, 19: false, 20: false} {
		if !ids[id] || maybe[id] != want {
			t.Errorf("record %d: there %v, marked %v", id, ids[id], maybe[id])
		}
		delete(ids, id)
	}
	if len(ids) > 0 {
		t.Errorf("settled ones come again: %v", ids)
	}
}

// TestTwoReaders: one reads what was there, one what comes.
func TestTwoReaders(t *testing.T) {
	l := open(t, spool.Options{})
	put(t, l, 1, 2, 3)
	end := l.End()
	old, fresh := l.NewReader(0, end), l.NewReader(end, 0)
	defer old.Close()
	defer fresh.Close()
	put(t, l, 4, 5)
	if _, id := next(t, fresh); id != 4 {
		t.Errorf("the fresh reader got %d", id)
	}
	for want := uint64(1); want <= 3; want++ {
		if _, id := next(t, old); id != want {
			t.Errorf("got %d, want %d", id, want)
		}
	}
	if _, err := old.Next(t.Context(), nil); !errors.Is(err, io.EOF) {
		t.Errorf("behind the range: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	next(t, fresh)
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := fresh.Next(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDrop(t *testing.T) {
	o := spool.Options{Dir: t.TempDir(), SegmentBytes: 2100}
	l := open(t, o)
	put(t, l, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
	r := l.NewReader(0, 0)
	defer r.Close()
	next(t, r)
	next(t, r)
	got := l.DropOldest(300) // 176 bytes each
	if got != (spool.Totals{Records: 2, Count: 4 + 5, Bytes: 352, Weight: 2007}) {
		t.Errorf("dropped %+v", got)
	}
	if got := l.DropOlder(time.Unix(0, 11)); got.Records != 6 {
		t.Errorf("dropped %+v", got)
	}
	if e, id := next(t, r); id != 11 {
		t.Errorf("the reader got %d (%d)", id, e.Seq)
	}
	l.Settle(1)
	l.Settle(2)
	if err := l.SaveCursor(); err != nil {
		t.Fatal(err)
	}
	if st := l.Stats(); st.Unsettled.Records != 10 || st.Segments != 3 {
		t.Errorf("%+v", st)
	}
}

func TestBounds(t *testing.T) {
	fs := spooltest.NewFS()
	fs.Capacity = 1 << 20
	l := open(t, spool.Options{Dir: "q", FS: fs, MaxBytes: 1000, MinFree: 300 << 10})
	if _, err := l.Put(spool.Record{Body: make([]byte, 1001)}); !errors.Is(err, spool.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	put(t, l, 1, 2, 3, 4, 5)
	_, err := l.Put(record(6, 100))
	if full, ok := errors.AsType[*spool.FullError](err); !ok || full.Cap != "bytes" || !errors.Is(err, spool.ErrFull) {
		t.Errorf("over the bound: %v", err)
	}
	if got := l.DropOldest(168); got.Records != 1 {
		t.Errorf("dropped %+v", got)
	}
	put(t, l, 6)
	l.DropOldest(1 << 20)
	fs.Take(800 << 10)
	time.Sleep(110 * time.Millisecond)
	_, err = l.Put(record(7, 100))
	if full, ok := errors.AsType[*spool.FullError](err); !ok || full.Cap != "disk" {
		t.Errorf("little disk: %v", err)
	}
	fs.Take(-800 << 10)
	put(t, l, 7)
	l.Close()
	if _, err := l.Put(record(8, 1)); !errors.Is(err, spool.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := l.Durable(t.Context(), l.End()); !errors.Is(err, spool.ErrUnknown) {
		t.Errorf("never put: %v", err)
	}
}

// TestASettledSegmentDoesNotFillTheDisk: after a restart the only segment, all of it settled, is given back when the disk is too
// full for a new record.
func TestASettledSegmentDoesNotFillTheDisk(t *testing.T) {
	fs := spooltest.NewFS()
	fs.Capacity = 1 << 20
	o := spool.Options{Dir: "q", FS: fs, MinFree: 500 << 10}
	l := open(t, o)
	for id := range uint64(40) {
		if _, err := l.Append(t.Context(), record(id+1, 10<<10)); err != nil {
			t.Fatal(err)
		}
	}
	l.DropOldest(1 << 30)
	l.Close()
	l = open(t, o)
	fs.Take(300 << 10) // another program's
	var err error
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err = l.Put(record(41, 100)); err == nil {
			break
		}
	}
	if err != nil {
		sizes := map[string]int{}
		for name, b := range fs.Files() {
			sizes[name] = len(b)
		}
		t.Errorf("%v; files: %v", err, sizes)
	}
	l.Close()
}

// TestNumbersNeverGoBack, whatever is lost.
func TestNumbersNeverGoBack(t *testing.T) {
	for _, lose := range []string{"", "cursor", "everything settled", "everything settled and cursor"} {
		o := spool.Options{Dir: t.TempDir(), SegmentBytes: 2 << 10}
		l := open(t, o)
		last := put(t, l, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)
		if strings.HasPrefix(lose, "every") {
			l.DropOldest(1 << 30)
		}
		for range 3 {
			l.Close()
			if strings.HasSuffix(lose, "cursor") {
				os.Remove(filepath.Join(o.Dir, "cursor"))
			}
			l = open(t, o)
		}
		if seq := put(t, l, 21); seq <= last {
			t.Errorf("%q: number %d after %d", lose, seq, last)
		}
		if st := l.Stats(); st.Damaged.Records != 0 {
			t.Errorf("%q: %+v", lose, st)
		}
	}
}

// TestGroupCommit: many who wait share fsyncs, nobody is forgotten, and each is answered by an fsync that began after its Put.
func TestGroupCommit(t *testing.T) {
	l := open(t, spool.Options{})
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := range 20 {
				if _, err := l.Append(t.Context(), record(uint64(g*100+i+1), 50)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	st := l.Stats()
	if st.Appended != 64*20 || st.Syncs > st.Appended/4 {
		t.Errorf("%d appends took %d fsyncs", st.Appended, st.Syncs)
	}
}

func TestSyncInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := spooltest.NewFS()
		syncs := atomic.Int64{}
		fs.Hook = func(op spooltest.Op) error {
			if op.Kind == "sync" && strings.HasSuffix(op.Name, ".seg") {
				syncs.Add(1)
			}
			return nil
		}
		l := open(t, spool.Options{Dir: "q", FS: fs, SyncInterval: 200 * time.Millisecond})
		defer l.Close()
		time.Sleep(time.Second)
		start := time.Now()
		put(t, l, 1)
		put(t, l, 2)
		if took := time.Since(start); took < 200*time.Millisecond || took > 400*time.Millisecond {
			t.Errorf("two appends took %v", took)
		}
		if syncs.Load() != 2 {
			t.Errorf("%d fsyncs", syncs.Load())
		}
		if _, err := l.Put(record(3, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond)
		if syncs.Load() != 3 {
			t.Errorf("%d fsyncs: a record that nobody waits for is not synced", syncs.Load())
		}
	})
}

// TestFailedSync: what an fsync did not cover is lost for those who wait, and only that.
func TestFailedSync(t *testing.T) {
	fs := spooltest.NewFS()
	fail := atomic.Bool{}
	fs.Hook = func(op spooltest.Op) error {
		if op.Kind == "sync" && strings.HasSuffix(op.Name, ".seg") && fail.Swap(false) {
			return syscall.EIO
		}
		return nil
	}
	o := spool.Options{Dir: "q", FS: fs}
	l := open(t, o)
	put(t, l, 1, 2)
	fail.Store(true)
	a, err := l.Put(record(3, 10))
	b, err2 := l.Put(record(4, 10))
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for _, seq := range []spool.Seq{a, b, a} {
		if err := l.Durable(t.Context(), seq); !errors.Is(err, syscall.EIO) {
			t.Errorf("record %d: %v", seq, err)
		}
	}
	c := put(t, l, 5)
	if c <= b {
		t.Errorf("number %d after %d", c, b)
	}
	if err := l.Durable(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if ids, _, _ := drain(t, l); len(ids) != 3 || !ids[5] {
		t.Errorf("there are %v", ids)
	}
	image := fs.Crash(spooltest.KeepNone)
	o.FS = image
	l = open(t, o)
	if ids, _, _ := drain(t, l); len(ids) != 3 || !ids[5] {
		t.Errorf("after a crash there are %v", ids)
	}
	if st := l.Stats(); st.Damaged.Records != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Options{Dir: dir})
	_, err := spool.Open(spool.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("a second one gets %v", err)
	}
	l.Close()
	open(t, spool.Options{Dir: dir})
}

// TestAhead: how many records are marked after a crash that nobody had.
func TestAhead(t *testing.T) {
	for _, read := range []int{0, 1, 100, 300} {
		fs := spooltest.NewFS()
		o := spool.Options{Dir: "q", FS: fs, NoSync: true}
		l := open(t, o)
		for id := range uint64(1000) {
			if _, err := l.Put(record(id+1, 10)); err != nil {
				t.Fatal(err)
			}
		}
		r := l.NewReader(0, 0)
		for range read {
			next(t, r)
		}
		r.Close()
		o.FS = fs.Crash(spooltest.KeepAll)
		_, maybe, _ := drain(t, open(t, o))
		marked := 0
		for _, m := range maybe {
			if m {
				marked++
			}
		}
		if marked < read || marked > read+256 {
			t.Errorf("%d were read, %d are marked", read, marked)
		}
		l.Close()
		o.FS = fs
		_, maybe, _ = drain(t, open(t, o))
		marked = 0
		for _, m := range maybe {
			if m {
				marked++
			}
		}
		if marked != read {
			t.Errorf("after a clean stop: %d were read, %d are marked", read, marked)
		}
	}
}

// TestNothingAllocates: a record put, read and settled.
func TestNothingAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := open(t, spool.Options{NoSync: true, Ahead: 1 << 20})
	r := l.NewReader(0, 0)
	defer r.Close()
	rec := spool.Record{Header: []byte("header"), Body: make([]byte, 1000), Count: 3, Time: 4}
	var buf []byte
	once := func() {
		if _, err := l.Put(rec); err != nil {
			t.Fatal(err)
		}
		e, err := r.Next(t.Context(), buf)
		if err != nil {
			t.Fatal(err)
		}
		buf = e.Buf
		l.Settle(e.Seq)
	}
	for range 1000 {
		once()
	}
	if n := testing.AllocsPerRun(2000, once); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// TestManyReadersAndWriters is for the race detector.
func TestManyReadersAndWriters(t *testing.T) {
	l := open(t, spool.Options{SegmentBytes: 64 << 10})
	var writers, readers sync.WaitGroup
	const n = 4 * 300
	var got sync.Map
	var settled atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for g := range 4 {
		writers.Go(func() {
			for i := range 300 {
				if _, err := l.Append(ctx, record(uint64(g*1000+i+1), rand.IntN(500))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		readers.Go(func() {
			r := l.NewReader(0, 0)
			defer r.Close()
			for settled.Load() < n {
				e, err := r.Next(ctx, nil)
				if err != nil {
					return
				}
				id, err := idOf(e)
				if err != nil {
					t.Error(err)
				}
				l.Settle(e.Seq)
				if _, was := got.LoadOrStore(id, true); !was && settled.Add(1) == n {
					cancel()
				}
				l.Stats()
			}
		})
	}
	writers.Wait()
	readers.Wait()
	if st := l.Stats(); st.Unsettled != (spool.Totals{}) || settled.Load() != n {
		t.Errorf("%+v, %d of %d settled", st, settled.Load(), n)
	}
}

// TestFailedSyncIsNotDamage: a segment fails when the next one has begun, and the power goes before the cursor is saved in its time.
func TestFailedSyncIsNotDamage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := spooltest.NewFS()
		fail := atomic.Bool{}
		fs.Hook = func(op spooltest.Op) error {
			if op.Kind == "sync" && strings.HasSuffix(op.Name, "0001.seg") && fail.Swap(false) {
				return syscall.EIO
			}
			return nil
		}
		o := spool.Options{Dir: "q", FS: fs, SegmentBytes: 2100}
		l := open(t, o)
		defer l.Close()
		put(t, l, 1)
		fail.Store(true)
		for id := uint64(2); id <= 8; id++ { // six fit into a segment
			if _, err := l.Put(record(id, 100)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Durable(t.Context(), 2); !errors.Is(err, syscall.EIO) {
			t.Fatalf("the fsync did not fail: %v", err)
		}
		put(t, l, 9)
		o.FS = fs.Crash(spooltest.KeepNone)
		again := open(t, o)
		defer again.Close()
		ids, _, _ := drain(t, again)
		if st := again.Stats(); st.Damaged.Records != 0 || len(ids) != 4 || !ids[1] || !ids[9] {
			t.Errorf("there are %v: %+v", ids, st)
		}
	})
}

// TestSum: logs that share a Sum keep it exact: what is stored, settled, dropped, and there at the start.
func TestSum(t *testing.T) {
	var sum spool.Sum
	dirs := []string{t.TempDir(), t.TempDir()}
	for round := range 2 {
		var want spool.Totals
		var logs []*spool.Log
		for _, dir := range dirs {
			l := open(t, spool.Options{Dir: dir, Sum: &sum})
			logs = append(logs, l)
			for i := range 5 {
				if _, err := l.Append(t.Context(), spool.Record{Body: make([]byte, 100*i), Count: uint32(i), Weight: uint64(1000 * i)}); err != nil {
					t.Fatal(err)
				}
			}
			e, err := l.NewReader(0, 0).Next(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			l.Settle(e.Seq)
			l.DropOldest(1)
			u := l.Stats().Unsettled
			want.Records, want.Count, want.Bytes = want.Records+u.Records, want.Count+u.Count, want.Bytes+u.Bytes
			want.Weight += u.Weight
			if u.Weight != 1000*u.Count {
				t.Errorf("%+v", u)
			}
		}
		if got := sum.Totals(); got != want || got.Records != uint64(6*(round+1)) {
			t.Errorf("round %d: the sum is %+v, the logs have %+v", round, got, want)
		}
		for _, l := range logs {
			_ = l.Close()
		}
		sum = spool.Sum{}
	}
}

// TestARemovedFileTakesNothing: somebody removes the file that is written. What is put later is not said to be stored in it.
func TestARemovedFileTakesNothing(t *testing.T) {
	dir := t.TempDir()
	l := open(t, spool.Options{Dir: dir})
	put(t, l, 1)
	if err := l.Durable(t.Context(), l.End()-1); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	if err := os.Remove(names[0]); err != nil {
		t.Fatal(err)
	}
	stored := map[uint64]bool{}
	for id := uint64(2); id < 20; id++ {
		if _, err := l.Append(t.Context(), record(id, 10)); err == nil {
			stored[id] = true
		}
	}
	if len(stored) < 15 {
		t.Errorf("only %d of 18 records were taken by another file", len(stored))
	}
	copied := t.TempDir() // what a kill leaves
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	ids, _, _ := drain(t, open(t, spool.Options{Dir: copied}))
	for id := range stored {
		if !ids[id] {
			t.Errorf("record %d was said to be stored, and is not there", id)
		}
	}
}
