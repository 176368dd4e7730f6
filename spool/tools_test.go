package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestUnsettledIsWhatStatsSays, without the lock: over several segments, settled in part, open and closed.
func TestUnsettledIsWhatStatsSays(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, SegmentBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 100<<10)
	begin := time.Now().Add(-time.Hour).UnixNano()
	for i := range 50 {
		if _, err := l.Append(t.Context(), Record{Header: []byte("h"), Body: body, Count: uint32(i + 1), Time: begin + int64(i)}); err != nil {
			t.Fatal(err)
		}
	}
	check := func(seen int, lost uint64) {
		t.Helper()
		st := l.Stats()
		got, oldest, err := Unsettled(dir)
		if err != nil || got != st.Unsettled || !oldest.Equal(st.Oldest) {
			t.Errorf("%+v, %s, %v, want %+v, %s", got, oldest, err, st.Unsettled, st.Oldest)
		}
		n := 0
		gone, err := ScanUnsettled(dir, func(Entry) error { n++; return nil })
		if err != nil || n != seen || gone != lost {
			t.Errorf("scanned %d, lost %d, %v; want %d, %d", n, gone, err, seen, lost)
		}
	}
	check(50, 0)
	for _, seq := range []Seq{1, 2, 3, 12, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 50} {
		l.Settle(seq)
	}
	if err := l.SaveCursor(); err != nil {
		t.Fatal(err)
	}
	check(32, 0)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	check(32, 0)
	name := filepath.Join(dir, segmentName(1))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[dataStart+5*(100<<10)] ^= 1 // in the body of record 5
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	check(31, 1)
	if _, _, err := Unsettled(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a folder that is not there is no error")
	}
	if _, err := Open(Options{Dir: fmt.Sprint(dir, "/cursor")}); err == nil {
		t.Error("a file was opened")
	}
}

// TestVerifyBesideAWriter: what is written, settled and removed meanwhile is no damage.
func TestVerifyBesideAWriter(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(Options{Dir: dir, SegmentBytes: 8 << 20, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		body := make([]byte, 200<<10)
		for i := range body {
			body[i] = byte(i) | 1
		}
		for n := 0; ; n = (n + 7919) % len(body) {
			select {
			case <-stop:
				return
			default:
			}
			seq, err := l.Put(Record{Header: []byte("h"), Body: body[:n], Count: 1})
			if err != nil {
				t.Error(err)
				return
			}
			if seq > 100 {
				l.Settle(seq - 100)
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	for range 20 {
		if bad, err := Verify(dir, nil); err != nil || len(bad) > 0 {
			t.Errorf("%+v, %v", bad, err)
		}
		if lost, err := ScanUnsettled(dir, func(Entry) error { return nil }); err != nil || lost > 0 {
			t.Errorf("%d are lost, %v", lost, err)
		}
	}
	close(stop)
	<-ended
}
