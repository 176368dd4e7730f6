package tail

import (
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/tail/checkpoint"
	"github.com/sluiceio/sluice/receivers/tail/fileid"
)

// TestCases runs testdata/*.txtar: a configuration, a script of events for files and receiver, the wanted records per file
// name in delivery order ("want in any order" if several files have the name), and wanted counters. Time is the script's
// own. Each runs with requests of each file's own, and with gathered ones.
func TestCases(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		for _, linger := range []time.Duration{0, Default().Linger} {
			t.Run(fmt.Sprintf("%s/linger=%s", name, linger), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { runCase(t, archive, linger) })
			})
		}
	}
}

func runCase(t *testing.T, archive *txtar.Archive, linger time.Duration) {
	w := newWorld(t)
	w.cfg.Linger = linger
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	w.sections = sections
	var keys map[string]any
	w.must(yaml.Unmarshal([]byte(strings.ReplaceAll(sections["config"], "DIR", w.dir)), &keys))
	w.must(confmap.NewFromStringMap(keys).Unmarshal(w.cfg))
	for n, line := range strings.Split(sections["script"], "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if err := w.step(line); err != nil {
			t.Fatalf("script line %d: %s: %v", n+1, line, err)
		}
	}
	counters := w.counters()
	w.stop()

	var have []string
	records := w.taken()
	slices.SortStableFunc(records, func(a, b logRecord) int { return strings.Compare(a.file, b.file) })
	for _, r := range records {
		have = append(have, r.String())
	}
	want := strings.TrimSpace(sections["want"])
	if unordered, ok := sections["want in any order"]; ok {
		lines := strings.Split(strings.TrimSpace(unordered), "\n")
		slices.Sort(lines)
		slices.Sort(have)
		want = strings.Join(lines, "\n")
	}
	if got := strings.Join(have, "\n"); got != want && want != "only counts" {
		t.Errorf("records:\n%s\nwant:\n%s", got, want)
	}
	for _, line := range strings.Split(strings.TrimSpace(sections["counts"]), "\n") {
		if line == "" {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		if want, _ := strconv.ParseFloat(line[i+1:], 64); counters[line[:i]] != want {
			t.Errorf("%s is %g, want %g; all: %v", line[:i], counters[line[:i]], want, slices.Sorted(maps.Keys(counters)))
		}
	}
	if strings.Contains(sections["counts"], "dropped ") {
		return
	}
	for name, n := range counters {
		if strings.HasPrefix(name, "dropped ") {
			t.Errorf("%s %g, but the case wants no drop", name, n)
		}
	}
}

// step does one line of a script.
func (w *world) step(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	name, arg, _ := strings.Cut(rest, " ")
	path := w.path(name)
	text := func() string {
		s, err := strconv.Unquote(arg)
		if err != nil {
			w.t.Fatalf("%s: %v", line, err)
		}
		return s
	}
	switch verb {
	case "start":
		w.start()
	case "stop":
		w.stop()
	case "kill":
		w.kill()
	case "reload": // as stop and start, in one process
		w.settings.Estates.Open()
		w.stop()
		w.start()
		w.settings.Estates.Close()
	case "sleep":
		d, err := time.ParseDuration(name)
		if err != nil {
			return err
		}
		time.Sleep(d)
	case "write":
		w.write(name, text())
	case "append":
		w.append(name, text())
	case "repeat": // repeat FILE N "text": appends it N times
		n, s, _ := strings.Cut(arg, " ")
		count, err := strconv.Atoi(n)
		if err != nil {
			return err
		}
		arg = s
		w.append(name, strings.Repeat(text(), count))
	case "pour": // pour FILE plain|stdout|stderr|docker SECTION: appends its lines, as they are, with CRI's header, or as Docker does
		how, section, _ := strings.Cut(arg, " ")
		text, ok := w.sections[section]
		if !ok {
			return fmt.Errorf("no section %q", section)
		}
		for l := range strings.Lines(text) {
			switch how {
			case "stdout", "stderr":
				l = "2026-01-02T03:04:05Z " + how + " F " + l
			case "docker":
				l = fmt.Sprintf(`{"log":%q,"stream":"stderr","time":"2026-01-02T03:04:05Z"}`+"\n", l)
			}
			w.append(name, l)
		}
	case "edit": // puts another file with its content and more in its place, as sed -i does
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(path+".swp", append(b, text()...), 0o644), os.Rename(path+".swp", path))
	case "save": // truncates it and writes its content again, and more, as some editors do
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.Truncate(path, 0); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
		w.append(name, string(b)+text())
	case "rename":
		return os.Rename(path, w.path(arg))
	case "copy":
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(w.path(arg), b, 0o644)
	case "gzip":
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := os.Create(w.path(arg))
		if err != nil {
			return err
		}
		z := gzip.NewWriter(f)
		z.Write(b)
		z.Close()
		return f.Close()
	case "unpack": // puts another file with its content and times in its place, as gunzip and rsync do
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		before, err := os.Stat(path)
		if err != nil {
			return err
		}
		unpacked := filepath.Join(w.t.TempDir(), "unpacked")
		return errors.Join(os.WriteFile(unpacked, b, 0o644), os.Chtimes(unpacked, before.ModTime(), before.ModTime()), os.Rename(unpacked, path))
	case "truncate":
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			return err
		}
		return os.Truncate(path, n)
	case "remove":
		return os.RemoveAll(path)
	case "link":
		return os.Symlink(w.path(arg), path)
	case "fifo":
		return syscall.Mkfifo(path, 0o644)
	case "mkdir":
		return os.MkdirAll(path, 0o755)
	case "tick": // waits until the file system's clock, which is not the bubble's, has moved on
		born := func() time.Time {
			path := filepath.Join(w.t.TempDir(), "tick")
			w.must(os.WriteFile(path, nil, 0o644))
			s, err := fileid.StatPath(path)
			w.must(err)
			return s.Born()
		}
		for first := born(); !born().After(first); {
		}
	case "refuse": // refuse N [AFTER]: the sink refuses the next N calls
		after, _ := time.ParseDuration(arg)
		n, err := strconv.Atoi(name)
		if err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		until := w.calls + n
		w.answer = func(call int, b pipeline.Batch) error {
			if call <= until {
				return pipeline.Refuse(after, fmt.Errorf("call %d is refused", call))
			}
			return nil
		}
	case "reject": // the sink rejects the next call
		w.mu.Lock()
		defer w.mu.Unlock()
		until := w.calls + 1
		w.answer = func(call int, b pipeline.Batch) error {
			if call <= until {
				return pipeline.Reject(b.Items, pipeline.DropInvalid, fmt.Errorf("call %d is rejected", call))
			}
			return nil
		}
	case "renumber": // the devices have other numbers, as after a restart of the machine
		b, err := os.ReadFile(w.checkpointFile())
		if err != nil {
			return err
		}
		entries, err := checkpoint.Decode(b)
		for i := range entries {
			entries[i].Key.Dev += 7
		}
		return errors.Join(err, os.WriteFile(w.checkpointFile(), checkpoint.Encode(entries), 0o600))
	case "damage": // overwrites the middle of the checkpoint
		b, err := os.ReadFile(w.checkpointFile())
		if err != nil {
			return err
		}
		copy(b[len(b)/2:], "damage")
		return os.WriteFile(w.checkpointFile(), b, 0o600)
	case "forget": // removes the checkpoint
		return os.Remove(w.checkpointFile())
	default:
		return fmt.Errorf("no such verb")
	}
	return nil
}
