package traces

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/traces/tracestest"
)

func TestRetention(t *testing.T) {
	st, clock, ledger := open(t, t.TempDir(), Options{Retention: 24 * time.Hour})
	st.mustAppend(t, "span 1/1 - old server -23h30m 1s\nspan 2/1 - new server -1h 1s\nspan 3/1 - ancient server -25h 1s")
	if _, drops := tracestest.Account(ledger); drops[pipeline.DropTooOld] != 1 {
		t.Errorf("dropped %v, want one too old", drops)
	}
	clock.Move(90 * time.Minute)
	if err := st.retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := st.mustTrace(t, "1"); len(got) != 0 {
		t.Errorf("the trace of an hour beyond retention is there: %v", got)
	}
	if got := st.mustTrace(t, "2"); len(got) != 1 {
		t.Errorf("the trace within retention is gone: %v", got)
	}
	if n := rows(t, st, rowFragment); n != 1 {
		t.Errorf("%d fragments, want 1", n)
	}
	clock.Move(48 * time.Hour)
	if err := st.retain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{rowFragment, rowIndex, rowBucket} {
		if n := rows(t, st, kind); n != 0 {
			t.Errorf("%d rows %c are left", n, kind)
		}
	}
	if _, ok := st.Oldest(); ok {
		t.Error("something is the oldest of nothing")
	}
	if _, err := st.DropOldest(t.Context()); !errors.Is(err, ErrEmpty) {
		t.Errorf("DropOldest of nothing: %v", err)
	}
}

// TestDropOldestFreesDisk fills three hours with what does not compress and drops them one by one.
func TestDropOldestFreesDisk(t *testing.T) {
	st, _, _ := open(t, t.TempDir(), Options{})
	for i := range 90 {
		st.mustAppend(t, fmt.Sprintf("span %x/1 - op server -%dm 1s noise=%s", i+1, 1+2*i, tracestest.Noise(100_000, i)))
	}
	if err := st.db.Flush(); err != nil {
		t.Fatal(err)
	}
	before := st.DiskBytes()
	if before < 5_000_000 {
		t.Fatalf("only %d bytes are stored", before)
	}
	begun, ok := st.Oldest()
	through, err := st.DropOldest(t.Context())
	if err != nil || !ok || !through.Equal(begun.Add(time.Hour)) {
		t.Fatalf("freed through %v, %v; the oldest began %v", through, err, begun)
	}
	dropped := before - st.DiskBytes()
	if dropped < 2_500_000 {
		t.Errorf("dropping 3 MB of 9 freed %d bytes", dropped)
	}
	if next, _ := st.Oldest(); !next.Equal(through) {
		t.Errorf("the oldest is now %v, want %v", next, through)
	}
	most := before - dropped - 1_000_000
	if err := st.shrink(t.Context(), most); err != nil {
		t.Fatal(err)
	}
	if after := st.DiskBytes(); after > most || len(*st.buckets.Load()) != 1 {
		t.Errorf("%d bytes under a limit of %d, %d hours", after, most, len(*st.buckets.Load()))
	}
}

// rows counts the rows of a kind.
func rows(t *testing.T, st *Store, kind byte) (n int) {
	t.Helper()
	it, err := st.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.SeekGE([]byte{kind}); ok && it.Key()[0] == kind; ok = it.Next() {
		n++
	}
	return n
}
