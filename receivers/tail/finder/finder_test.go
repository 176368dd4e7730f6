package finder

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

func TestGlobMatch(t *testing.T) {
	for _, tt := range []struct {
		glob, path string
		want       bool
	}{
		{"/var/log/*.log", "/var/log/a.log", true},
		{"/var/log/*.log", "/var/log/b/a.log", false},
		{"/var/log/**/*.log", "/var/log/a.log", true},
		{"/var/log/**/*.log", "/var/log/b/c/a.log", true},
		{"/var/log/**/*.log", "/var/log/b/c/a.txt", false},
		{"/var/log/**/c/*.log", "/var/log/b/c/a.log", true},
		{"/var/log/**/c/*.log", "/var/log/b/d/a.log", false},
		{"/var/log/**", "/var/log/b/d/a.log", true},
		{"/var/log/[ab].log", "/var/log/b.log", true},
		{"/var/log/x.log", "/var/log/x.log", true},
		{"/var/log/x.log", "/var/log/x.logs", false},
		{"/var/log/pods/*/*/*.log", "/var/log/pods/ns_p_u/c/0.log", true},
		{"/**/*.log", "/x.log", true},
		{"/*.log", "/x.log", true},
	} {
		p, err := ParseGlob(tt.glob)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Match(tt.path); got != tt.want {
			t.Errorf("%s on %s: %t", tt.glob, tt.path, got)
		}
	}
	if _, err := ParseGlob("/var/[a"); err == nil {
		t.Error("a bad glob was taken")
	}
}

func globs(t *testing.T, list ...string) []Glob {
	t.Helper()
	out, err := ParseGlobs(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFinder(t *testing.T) {
	dir := tempDir(t)
	for _, f := range []string{"a.log", "b.txt", "skip.log", "sub/c.log", "sub/deep/d.log", "out/target.log"} {
		write(t, filepath.Join(dir, f), "x\n")
	}
	link := func(to, from string) {
		if err := os.Symlink(to, filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	link(filepath.Join(dir, "out/target.log"), "sub/link.log") // resolved
	link("..", "sub/up")                                       // a loop for **
	link("nowhere", "sub/dangling.log")
	link("deep", "sub/deeplink") // an explicit part follows it
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.log"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	var problems []string
	l := New(nil, globs(t, filepath.Join(dir, "skip*")), func(path string, err error) {
		problems = append(problems, filepath.Base(path)+" "+err.Error())
	})
	l.FollowLinks([]string{filepath.Join(dir, "out")})
	list := func(include ...string) string {
		l.include = nil
		for _, p := range include {
			l.include = append(l.include, globs(t, filepath.Join(dir, p))...)
		}
		var out []string
		for _, f := range l.Find(time.Now()) {
			rel, _ := filepath.Rel(dir, f.Path)
			out = append(out, rel)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for _, tt := range []struct{ include, want string }{
		{"*.log", "a.log"},
		{"**/*.log", "a.log out/target.log sub/c.log sub/deep/d.log"},
		{"sub/*.log", "out/target.log sub/c.log"},
		{"sub/deeplink/*.log", "sub/deeplink/d.log"},
		{"a.log", "a.log"},
		{"missing/*.log", ""},
		{"sub/**", "out/target.log sub/c.log sub/deep/d.log"},
	} {
		if got := list(tt.include); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.include, got, tt.want)
		}
	}
	if got := list("*.log", "**/a.log"); got != "a.log" {
		t.Errorf("a file that two globs give is listed as %q", got)
	}
	if !slices.Contains(problems, "fifo.log not a regular file") {
		t.Errorf("the FIFO is not reported: %q", problems)
	}
}

// TestFinderRemembers looks at the cache of folders: it must save listings and never hide a change.
func TestFinderRemembers(t *testing.T) {
	dir := tempDir(t)
	write(t, filepath.Join(dir, "a.log"), "x\n")
	l := New(globs(t, filepath.Join(dir, "*.log")), nil, func(path string, err error) { t.Error(path, err) })
	list := func(now time.Time) int { return len(l.Find(now)) }

	soon := time.Now().Add(time.Second)
	if n := list(soon); n != 1 {
		t.Fatal(n)
	}
	first := l.folders[dir]
	if list(soon.Add(time.Second)); l.folders[dir] != first {
		t.Error("an unchanged folder was listed again")
	}
	if list(soon.Add(believe + 2*time.Second)); l.folders[dir] == first {
		t.Error("a listing is believed for ever")
	}
	write(t, filepath.Join(dir, "b.log"), "x\n")
	if n := list(soon.Add(believe + 3*time.Second)); n != 2 {
		t.Errorf("a new file is not seen: %d", n)
	}
	// Replaced under the same name: the identity is the new one.
	before := l.Find(time.Now())[0].Stat.Key
	if err := os.Rename(filepath.Join(dir, "a.log"), filepath.Join(dir, "a.old")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.log"), "y\n")
	if after := l.Find(time.Now())[0].Stat.Key; after == before {
		t.Error("a replaced file has the old identity")
	}
}

// TestCoarseTimes: where a folder's time is in whole seconds, what is made in the second of a listing is seen, too.
func TestCoarseTimes(t *testing.T) {
	for _, watched := range []bool{false, true} {
		dir := tempDir(t)
		second := time.Now().Add(-time.Hour).Truncate(time.Second)
		l := New(globs(t, filepath.Join(dir, "*.log")), nil, func(path string, err error) { t.Error(path, err) })
		defer l.Close()
		if !watched {
			l.Close()
		}
		for i, at := range []time.Duration{0, 200 * time.Millisecond, 900 * time.Millisecond, 1900 * time.Millisecond} {
			write(t, filepath.Join(dir, fmt.Sprintf("%d.log", i)), "x\n")
			if err := os.Chtimes(dir, second, second); err != nil {
				t.Fatal(err)
			}
			if n := len(l.Find(second.Add(at))); n != i+1 {
				t.Errorf("watched %t: %d files, want %d", watched, n, i+1)
			}
		}
	}
}

// TestTheKernelTells: each change of a folder is reported, also of a new, replaced or removed one, and found without a look
// at other folders.
func TestTheKernelTells(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only there")
	}
	dir := tempDir(t)
	l := New(globs(t, filepath.Join(dir, "*", "*.log"), filepath.Join(dir, "deep", "**", "*.txt")), nil, func(path string, err error) { t.Error(path, err) })
	defer l.Close()
	now := time.Now().Add(time.Minute)
	step := func(what string, inChanged, all int, change func() error) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		now = now.Add(100 * time.Millisecond)
		if !l.Changed() {
			t.Errorf("%s: not told", what)
		}
		if n := len(l.FindChanged(now)); n != inChanged {
			t.Errorf("%s: %d files in what changed, want %d", what, n, inChanged)
		}
		if n := len(l.Find(now.Add(time.Millisecond))); n != all {
			t.Errorf("%s: %d files, want %d", what, n, all)
		}
		l.FindChanged(now.Add(2 * time.Millisecond))
		if l.Changed() {
			t.Errorf("%s: told twice", what)
		}
	}
	// The folder's time does not move, so only the kernel's word can tell.
	still := func(change func() error) func() error {
		return func() error {
			s, err := os.Stat(filepath.Join(dir, "a"))
			if err == nil {
				err = errors.Join(change(), os.Chtimes(filepath.Join(dir, "a"), s.ModTime(), s.ModTime()))
			}
			return err
		}
	}
	file := func(name string) func() error {
		return func() error { write(t, filepath.Join(dir, name), "x\n"); return nil }
	}
	write(t, filepath.Join(dir, "other/1.log"), "x\n")
	write(t, filepath.Join(dir, "deep/1.txt"), "x\n")
	l.Find(now)
	step("a folder", 1, 3, file("a/1.log"))
	step("a file", 2, 4, still(file("a/2.log")))
	step("a file less", 1, 3, still(func() error { return os.Remove(filepath.Join(dir, "a/1.log")) }))
	step("deep below", 2, 4, file("deep/x/y/2.txt"))
	step("another folder in its place", 3, 6, func() error {
		if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
			return err
		}
		write(t, filepath.Join(dir, "a/3.log"), "x\n")
		write(t, filepath.Join(dir, "a/4.log"), "x\n")
		return nil
	})
	step("no folder", 0, 4, func() error { return os.RemoveAll(filepath.Join(dir, "a")) })
}

// TestSiblings: a file is found beside its old name by what it is, and rotated ones by their names.
func TestSiblings(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "a.log")
	write(t, path, "x\n")
	st, err := fileid.StatPath(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write(t, path, "y\n")
	write(t, filepath.Join(dir, "b.log.1"), "z\n")
	if err := os.Symlink(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	var s Siblings
	if at, ok := s.Find(dir, st.Key); !ok || at != path+".1" {
		t.Errorf("found %t at %q", ok, at)
	}
	if got := s.Rotated(filepath.Dir(path), path); len(got) != 1 || got[0].Path != path+".1" || got[0].Stat.Key != st.Key {
		t.Errorf("rotated: %+v", got)
	}
	other := st.Key
	other.Ino++
	other.Birth = 1
	if at, ok := s.Find(dir, other); ok {
		t.Errorf("another file was found at %q", at)
	}
	if err := os.Rename(path+".1", path+".3"); err != nil {
		t.Fatal(err)
	}
	if at, ok := s.Find(dir, st.Key); !ok || at != path+".1" {
		t.Errorf("the folder was read again before Reset: %t at %q", ok, at)
	}
	s.Reset()
	if at, ok := s.Find(dir, st.Key); !ok || at != path+".3" {
		t.Errorf("after Reset: %t at %q", ok, at)
	}
	if at, ok := s.Find(filepath.Join(dir, "missing"), st.Key); ok {
		t.Errorf("found in no folder: %q", at)
	}
}

func TestDanglingLinks(t *testing.T) {
	dir := t.TempDir()
	link := func(to, name string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "pods"), 0o755); err != nil {
		t.Fatal(err)
	}
	link("../docker/a.log", "pods/a.log")
	link(filepath.Join(dir, "docker/b.log"), "pods/b.log")
	link("nowhere", "pods/folder")
	f := New(globs(t, filepath.Join(dir, "pods/*.log"), filepath.Join(dir, "pods/*/*.log"), filepath.Join(dir, "pods/none.log")), nil, func(path string, err error) { t.Errorf("%s: %v", path, err) })
	var told []string
	f.TellDangling(func(n int, link, target string) {
		told = append(told, fmt.Sprintf("%d %s %s", n, strings.TrimPrefix(link, dir), strings.TrimPrefix(target, dir)))
	})
	now := time.Now()
	for range 5 {
		f.Find(now)
		now = now.Add(4 * time.Second)
	}
	if want := []string{"3 /pods/a.log /docker/a.log"}; !slices.Equal(told, want) || f.Dangling() != 3 {
		t.Fatalf("told %q of %d", told, f.Dangling())
	}
	write(t, filepath.Join(dir, "docker/b.log"), "x\n")
	f.FollowLinks([]string{dir})
	if err := os.Remove(filepath.Join(dir, "pods/folder")); err != nil {
		t.Fatal(err)
	}
	link("../docker/c.log", "pods/c.log")
	for range 5 {
		f.Find(now)
		now = now.Add(4 * time.Second)
	}
	if want := []string{"3 /pods/a.log /docker/a.log", "1 /pods/c.log /docker/c.log"}; !slices.Equal(told, want) || f.Dangling() != 2 {
		t.Fatalf("told %q of %d", told, f.Dangling())
	}
}

func TestNameOf(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("docker/id.log"), "x\n")
	write(t, path("pods/b.log"), "x\n")
	for name, to := range map[string]string{"pods/a.log": "../docker/id.log", "containers/a.log": path("pods/a.log"), "containers/b.log": path("pods/b.log")} {
		if err := os.MkdirAll(filepath.Dir(path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, include := range [][]string{{path("containers/*.log")}, {path("docker/*.log"), path("containers/*.log")}, {path("pods/*.log")}} {
		f := New(globs(t, include...), nil, func(path string, err error) { t.Errorf("%s: %v", path, err) })
		f.FollowLinks([]string{dir})
		f.NameBy(func(p string) bool { return filepath.Dir(p) == path("pods") })
		now := time.Now()
		for range 3 {
			f.Find(now)
			now = now.Add(11 * time.Second)
			if got := f.NameOf(path("docker/id.log")); got != path("pods/a.log") || f.NameOf(path("pods/b.log")) != "" {
				t.Fatalf("%q: %q", include, got)
			}
		}
		if err := os.Rename(path("pods/a.log"), path("pods/gone")); err != nil {
			t.Fatal(err)
		}
		f.Find(now)
		if got := f.NameOf(path("docker/id.log")); got != "" && include[0] != path("pods/*.log") {
			t.Fatalf("%q: %q remains", include, got)
		}
		if err := os.Rename(path("pods/gone"), path("pods/a.log")); err != nil {
			t.Fatal(err)
		}
	}
}
