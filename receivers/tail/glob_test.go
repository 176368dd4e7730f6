package tail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPatternMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, path string
		want          bool
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
		p, err := parsePattern(tt.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.match(tt.path); got != tt.want {
			t.Errorf("%s on %s: %t", tt.pattern, tt.path, got)
		}
	}
	if _, err := parsePattern("/var/[a"); err == nil {
		t.Error("a bad pattern was taken")
	}
}

func patterns(t *testing.T, list ...string) []pattern {
	t.Helper()
	var out []pattern
	for _, s := range list {
		p, err := parsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
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

func TestLister(t *testing.T) {
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
	l := lister{problem: func(path string, err error) { problems = append(problems, filepath.Base(path)+" "+err.Error()) }}
	list := func(include ...string) string {
		l.include = nil
		for _, p := range include {
			l.include = append(l.include, patterns(t, filepath.Join(dir, p))...)
		}
		var out []string
		for _, f := range l.list(time.Now()) {
			rel, _ := filepath.Rel(dir, f.path)
			out = append(out, rel)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	l.exclude = patterns(t, filepath.Join(dir, "skip*"))
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
		t.Errorf("a file two patterns give is listed as %q", got)
	}
	if !slices.Contains(problems, "fifo.log not a regular file") {
		t.Errorf("the FIFO is not reported: %q", problems)
	}
}

// TestListerRemembers looks at the cache of folders: it must save listings and never hide a change.
func TestListerRemembers(t *testing.T) {
	dir := tempDir(t)
	write(t, filepath.Join(dir, "a.log"), "x\n")
	l := lister{include: patterns(t, filepath.Join(dir, "*.log")), problem: func(path string, err error) { t.Error(path, err) }}
	list := func(now time.Time) int { return len(l.list(now)) }

	soon := time.Now().Add(time.Second)
	if n := list(soon); n != 1 {
		t.Fatal(n)
	}
	first := l.folders[dir]
	if list(soon.Add(time.Second)); l.folders[dir] != first {
		t.Error("an unchanged folder was listed again")
	}
	if list(soon.Add(believe + time.Second)); l.folders[dir] == first {
		t.Error("a listing is believed for ever")
	}
	write(t, filepath.Join(dir, "b.log"), "x\n")
	if n := list(soon.Add(believe + 2*time.Second)); n != 2 {
		t.Errorf("a new file is not seen: %d", n)
	}
	// Replaced under the same name: the identity is the new one.
	before := l.list(time.Now())[0].stat.key
	if err := os.Rename(filepath.Join(dir, "a.log"), filepath.Join(dir, "a.old")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.log"), "y\n")
	if after := l.list(time.Now())[0].stat.key; after == before {
		t.Error("a replaced file has the old identity")
	}
}
