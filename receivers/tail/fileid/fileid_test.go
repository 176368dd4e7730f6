package fileid

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestStat: both ways of looking, by path and by open file, and the birth time recognize a renamed file and a replaced one.
func TestStat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	write := func(content string) {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("12345")
	byPath, err := StatPath(path)
	if err != nil {
		t.Fatal(err)
	}
	f, opened, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if byPath != opened || !opened.Regular() || opened.Size != 5 || opened.Links != 1 || opened.Ino == 0 {
		t.Errorf("by path %+v, opened %+v", byPath, opened)
	}
	if age := time.Since(opened.Born()); age < -time.Second || age > time.Minute {
		t.Errorf("born %s ago", age)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("another")
	if s, err := StatPath(path + ".1"); err != nil || s.Key != opened.Key {
		t.Errorf("renamed: %+v, %v", s, err)
	}
	if s, err := StatPath(path); err != nil || s.Same(opened.Key) {
		t.Errorf("another file at the name: %+v, %v", s, err)
	}
	if err := os.Remove(path + ".1"); err != nil {
		t.Fatal(err)
	}
	if s, err := StatFile(f); err != nil || s.Links != 0 || s.Key != opened.Key {
		t.Errorf("deleted: %+v, %v", s, err)
	}
	if _, err := StatPath(path + ".1"); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestPortableStat: where statx is not allowed, all but the birth is the same.
func TestPortableStat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.log")
	if err := os.WriteFile(path, []byte("12345"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := StatPath(path)
	if err != nil {
		t.Fatal(err)
	}
	p := fromInfo(info)
	if !p.Same(s.Key) || p.Size != s.Size || p.Modified != s.Modified || p.Links != s.Links || !p.Regular() {
		t.Errorf("portable %+v, want %+v", p, s)
	}
}

func TestSame(t *testing.T) {
	k := Key{Dev: 1, Ino: 2, Birth: 3}
	for _, tt := range []struct {
		o    Key
		want bool
	}{
		{k, true}, {Key{1, 2, 0}, true}, {Key{1, 2, 4}, false}, {Key{9, 2, 3}, false}, {Key{1, 9, 3}, false},
	} {
		if k.Same(tt.o) != tt.want || tt.o.Same(k) != tt.want {
			t.Errorf("%+v: want %t", tt.o, tt.want)
		}
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo.log")
	if err := syscall.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo} {
		if _, _, err := Open(path); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if s, _ := StatPath(dir); !Mounted(filepath.Join(dir, "gone", "too"), s.Dev) || Mounted(dir, s.Dev+1) {
		t.Error("the device of a folder that is gone is not that of the one above")
	}
}

func TestFingerprint(t *testing.T) {
	f := FingerprintOf([]byte("abc"))
	for prefix, want := range map[string]bool{"abc": true, "abcd": true, "ab": false, "xbc": false, "": false} {
		if f.Matches([]byte(prefix)) != want {
			t.Errorf("%q: want %t", prefix, want)
		}
	}
	var none Fingerprint
	if !none.Matches(nil) || !none.Matches([]byte("x")) || none.Known() || !f.Known() {
		t.Error("the fingerprint of nothing must match everything")
	}
	for _, f := range []Fingerprint{f, none} {
		if got, err := ParseFingerprint(f.String()); err != nil || got != f {
			t.Errorf("%s is read back as %s: %v", f, got, err)
		}
	}
	for _, bad := range []string{"", "3", "3:", "3:xx", "x:" + f.String()[2:], "-1:" + f.String()[2:], "1025:" + f.String()[2:], f.String() + "00"} {
		if got, err := ParseFingerprint(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, got)
		}
	}
}

func TestCompressed(t *testing.T) {
	for prefix, want := range map[string][2]bool{
		"\x1f\x8b\x08": {true, false}, "\x1f": {false, true}, "BZh91AY&SY": {true, false}, "BZh9": {false, true},
		"BZhello": {false, false}, "": {false, false}, "2026": {false, false},
	} {
		if yes, maybe := Compressed([]byte(prefix)); yes != want[0] || maybe != want[1] {
			t.Errorf("%q: %t, %t", prefix, yes, maybe)
		}
	}
}

func TestIsRotatedName(t *testing.T) {
	for _, tt := range []struct {
		base, name string
		want       bool
	}{
		{"app.log", "app.log.1", true},
		{"app.log", "app.log-20260101", true},
		{"0.log", "0.log.20260101-101112", true},
		{"app.log", "app-2026-01-01T10-11-12.000.log", true},
		{"app.log", "app.1.log", true},
		{"app.log", "app.log.old", true},
		{"app.log", "app.log~", true},
		{"app.log", "app.log", false},
		{"app.log", "app.log.gz", false},
		{"app.log", "app.log.1.gz", false},
		{"app.log", "app-worker.log", false},
		{"app.log", "app.log.", false},
		{"app.log", "app2.log", false},
	} {
		if got := IsRotatedName(tt.base, tt.name); got != tt.want {
			t.Errorf("%s of %s: %t", tt.name, tt.base, got)
		}
	}
}
