package wal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// newWAL opens a log in dir, ready to append.
func newWAL(t *testing.T, dir string) (*Log, []string) {
	t.Helper()
	w, old, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.beginLocked(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w, old
}

// records reads a segment.
func records(t *testing.T, path string) ([]string, Damage) {
	t.Helper()
	var got []string
	d, err := ReadSegment(path, func(r Record) error {
		got = append(got, fmt.Sprintf("%d@%d", len(r.Request), r.Received))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got, d
}

// TestTornTail cuts a segment at every length: what is whole is read, the rest is counted.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	w, _ := newWAL(t, dir)
	var ends []int64
	for i, n := range []int{10, 0, 300} {
		if _, err := w.Append(int64(i), bytes.Repeat([]byte{7}, n), 1); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, w.size)
	}
	whole, err := os.ReadFile(w.f.Name())
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"10@0", "0@1", "300@2"}
	for cut := range len(whole) + 1 {
		path := filepath.Join(t.TempDir(), "x.wal")
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		got, d := records(t, path)
		n, last := 0, int64(len(header))
		for n < 3 && int64(cut) >= ends[n] {
			last = ends[n]
			n++
		}
		torn := int64(cut) - last
		if cut < len(header) {
			torn = int64(cut)
		}
		if !slices.Equal(got, all[:n]) || d.Torn != torn || d.Corrupt != 0 {
			t.Fatalf("cut at %d: got %v, %d bytes torn, %d corrupt; want %v and %d", cut, got, d.Torn, d.Corrupt, all[:n], torn)
		}
	}
}

// TestCorruptRecord: a wrong byte inside the log costs one record, at its end it is a torn tail.
func TestCorruptRecord(t *testing.T) {
	dir := t.TempDir()
	w, _ := newWAL(t, dir)
	for i := range 3 {
		if _, err := w.Append(int64(i), []byte("payload"), 1); err != nil {
			t.Fatal(err)
		}
	}
	data, _ := os.ReadFile(w.f.Name())
	const record = frameBytes + len("payload")
	for i, want := range [][]string{{"7@1", "7@2"}, {"7@0", "7@2"}, {"7@0", "7@1"}} {
		bad := bytes.Clone(data)
		bad[len(header)+i*record+frameBytes+2] ^= 1
		path := filepath.Join(t.TempDir(), "x.wal")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, d := records(t, path)
		wantDamage := Damage{Corrupt: 1}
		if i == 2 {
			wantDamage = Damage{Torn: int64(record)}
		}
		if !slices.Equal(got, want) || d != wantDamage {
			t.Errorf("record %d damaged: got %v %+v", i, got, d)
		}
	}
	bad := append([]byte("SLUICEL9"), data[8:]...)
	path := filepath.Join(t.TempDir(), "x.wal")
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSegment(path, func(Record) error { return nil }); err == nil {
		t.Error("a segment of another version was read")
	}
}

// TestNumbers: numbers never repeat, over restarts and with a clock that goes back.
func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	w, _ := newWAL(t, dir)
	w.next = uint64(time.Now().Add(time.Hour).UnixMicro()) // as of a process whose clock was ahead
	if err := w.Restart(); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 1<<20)
	const numbers = 8
	first, err := w.Append(1, big, numbers)
	if err != nil {
		t.Fatal(err)
	}
	second, err := w.Append(2, big, numbers)
	if err != nil || second < first+numbers {
		t.Errorf("numbers %d and %d leave no room for those of the first", first, second)
	}
	next, old := newWAL(t, dir)
	if len(old) != 1 || old[0] != w.f.Name() {
		t.Errorf("the next process finds %v", old)
	}
	if next.next <= first {
		t.Errorf("the next process begins at %d, after %d", next.next, first)
	}
	if err := next.Restart(); err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 || files[0] != next.f.Name() {
		t.Errorf("after a restart of the log there are %v", files)
	}
}

// TestFailedWrite: a write that the disk does not take leaves nothing, and the log goes on.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	w, _ := newWAL(t, dir)
	if _, err := w.Append(1, []byte("one"), 1); err != nil {
		t.Fatal(err)
	}
	good := w.f
	readOnly, err := os.Open(good.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	w.f = readOnly // neither writes nor cuts
	if _, err := w.Append(2, []byte("two"), 1); err == nil {
		t.Fatal("a write to a file that cannot be written succeeded")
	}
	w.f = good
	if _, err := w.Append(3, []byte("three"), 1); err == nil || w.Healthy() {
		t.Error("the log goes on behind a piece that could not be taken back")
	}
	if err := w.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(4, []byte("four"), 1); err != nil {
		t.Error(err)
	}
	if got, d := records(t, w.f.Name()); !slices.Equal(got, []string{"4@4"}) || d != (Damage{}) {
		t.Errorf("got %v %+v", got, d)
	}
}

// FuzzSegment: no bytes make the reader panic or read what was not appended.
func FuzzSegment(f *testing.F) {
	f.Add([]byte(header))
	f.Add(append([]byte(header), make([]byte, 64)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.wal")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		n := 0
		d, err := ReadSegment(path, func(r Record) error {
			n += frameBytes + len(r.Request)
			return nil
		})
		if err == nil && (d.Torn < 0 || n > len(data)) {
			t.Fatalf("read %d and cut %d of %d bytes", n, d.Torn, len(data))
		}
	})
}
