package tail

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestLogrotate runs the real logrotate in its modes over files that are written to except while it works: each line comes
// once, also with globs that match rotated files, and if the receiver is down during rotations.
func TestLogrotate(t *testing.T) {
	logrotate, err := exec.LookPath("logrotate")
	if err != nil {
		t.Skip("logrotate is not installed")
	}
	for _, mode := range []string{
		"create", "copytruncate", "copy", "nocreate\nolddir old\ncreateolddir 755 root root",
		"copytruncate\ndateext\ndateformat -%Y%m%d-%s\nextension .log", "create\ndateext\ndateformat .%s", "create\ncompress\ndelaycompress",
		"copytruncate\ncompress\ndelaycompress",
	} {
		for _, include := range []string{"app.log", "*"} {
			for _, down := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s %t", strings.Fields(mode), include, down), func(t *testing.T) {
					t.Parallel()
					logrotateCase(t, logrotate, mode, include, down)
				})
			}
		}
	}
}

func logrotateCase(t *testing.T, logrotate, mode, include string, down bool) {
	if down && strings.Contains(mode, "compress") {
		t.Skip("what is compressed while we are down cannot be read")
	}
	w := newWorld(t)
	w.must(os.Chmod(w.dir, 0o755))
	w.cfg.Include = []string{w.path(include)}
	conf := filepath.Join(t.TempDir(), "conf")
	write(t, conf, fmt.Sprintf("%s {\nrotate 20\nmissingok\n%s\n}\n", w.path("app.log"), mode))
	n := 0
	lines := func(count int) {
		var text strings.Builder
		for range count {
			fmt.Fprintf(&text, "%d is the number of this line\n", n)
			n++
		}
		w.append("app.log", text.String())
	}
	lines(100)
	w.start()
	time.Sleep(300 * time.Millisecond)
	for range 3 {
		lines(50)
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		if down {
			w.stop()
			lines(20)
		}
		var out bytes.Buffer
		cmd := exec.Command(logrotate, "-f", "-s", conf+".state", conf)
		cmd.Stdout, cmd.Stderr = &out, &out
		w.must(begin(cmd))
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%v: %s", err, &out)
		}
		lines(20)
		if down {
			forking.Lock()
			w.start()
			forking.Unlock()
		}
		pause := time.Duration(rand.IntN(300)) * time.Millisecond
		if strings.Contains(mode, "dateext") || strings.Contains(mode, "compress") {
			// Dates in names are whole seconds, and what was compressed before we looked cannot be read.
			pause += 900 * time.Millisecond
		}
		time.Sleep(pause)
	}
	if doubled := w.complete(n); doubled != 0 {
		t.Errorf("%d of %d came twice", doubled, n)
	}
	time.Sleep(500 * time.Millisecond)
	if doubled := w.complete(n); doubled != 0 {
		t.Errorf("%d of %d came twice, later", doubled, n)
	}
	w.stop()
	for name, count := range w.counters() {
		if strings.HasPrefix(name, "dropped ") {
			t.Errorf("%s: %g", name, count)
		}
	}
}

// forking is held while a process is made: for a moment that has our files open, and the lock of a checkpoint with them.
var forking sync.Mutex

func begin(cmd *exec.Cmd) error {
	forking.Lock()
	defer forking.Unlock()
	return cmd.Start()
}

// TestLoggers runs those that rotate their own files, as small and as often as they can.
func TestLoggers(t *testing.T) {
	for _, tt := range []struct {
		program string
		args    func(dir string) []string
	}{
		{"multilog", func(dir string) []string { return []string{"s4096", "n30", dir} }},
		{"svlogd", func(dir string) []string { return []string{"-ttt", dir} }},
	} {
		t.Run(tt.program, func(t *testing.T) {
			program, err := exec.LookPath(tt.program)
			if err != nil {
				t.Skip(tt.program + " is not installed")
			}
			t.Parallel()
			w := newWorld(t)
			w.must(os.Chmod(w.dir, 0o755))
			dir := w.path("service")
			w.must(os.Mkdir(dir, 0o755))
			write(t, filepath.Join(dir, "config"), "s4096\nn30\n")
			w.cfg.Include = []string{filepath.Join(dir, "current")}
			args := tt.args(dir)
			stamped := tt.program == "svlogd"
			if stamped {
				args = args[1:]
			}
			cmd := exec.Command(program, args...)
			in, err := cmd.StdinPipe()
			w.must(err)
			w.must(begin(cmd))
			w.start()
			w.until(func() bool { return w.counters()["files"] == 1 }, func() string { return "it does not look" }) // what goes before the first look is not ours
			n := 0
			for round := range 10 {
				if round == 5 {
					w.stop()
				}
				for range 40 { // more than one rotation a round
					fmt.Fprintf(in, "%d %s\n", n, strings.Repeat("x", 100))
					n++
				}
				time.Sleep(400 * time.Millisecond)
				if round == 6 {
					forking.Lock()
					w.start()
					forking.Unlock()
				}
			}
			in.Close()
			w.must(cmd.Wait())
			if doubled := w.complete(n); doubled != 0 {
				t.Errorf("%d came twice", doubled)
			}
			w.stop()
		})
	}
}
