package file

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t testing.TB, yaml string) *Exporter {
	t.Helper()
	r, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := r.AsConf()
	if err != nil {
		t.Fatal(err)
	}
	c := Default()
	if err := conf.Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "file")
	k, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	e := k.(*Exporter)
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return e
}

// record is a request with one log.
func record(t testing.TB, body string) pipeline.Batch {
	r := plogotlp.NewExportRequest()
	r.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(body)
	b, err := r.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: wire.Request(b), Items: 1}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

func TestLinesOfJSON(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "out.json")
	e := start(t, "path: "+path+"\ncreate_directory: true\nfsync: true\n")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := e.Consume(t.Context(), record(t, fmt.Sprintf("line\n%02d", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := lines(t, path)
	if len(got) != 50 {
		t.Fatalf("%d lines", len(got))
	}
	for _, line := range got {
		r := plogotlp.NewExportRequest()
		if err := r.UnmarshalJSON([]byte(line)); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestLengthsAndProtobuf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.bin")
	e := start(t, "path: "+path+"\nformat: proto\n")
	want := []pipeline.Batch{record(t, "one"), record(t, strings.Repeat("two", 300))}
	for _, b := range want {
		if err := e.Consume(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for _, b := range want {
		var n uint32
		if err := binary.Read(r, binary.BigEndian, &n); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, n)
		if _, err := io.ReadFull(r, got); err != nil || string(got) != string(b.Request) {
			t.Fatalf("another record was read back (%v)", err)
		}
	}
}

func TestAppendOrTruncate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	for _, c := range []struct {
		yaml string
		want int
	}{{"", 1}, {"", 2}, {"append: false", 1}, {"append: true", 2}} {
		e := start(t, "path: "+path+"\n"+c.yaml)
		if err := e.Consume(t.Context(), record(t, "x")); err != nil {
			t.Fatal(err)
		}
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(lines(t, path)); n != c.want {
			t.Errorf("%q: %d lines, want %d", c.yaml, n, c.want)
		}
	}
}

func TestRotation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	for _, name := range []string{"out-other.json", "out-2020-01-01T00-00-00.000.json", "out-2020-01-01T00-00-00.000.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := start(t, "path: "+path+"\nfsync: true\nrotation:\n  max_megabytes: 1\n  max_backups: 3\n")
	big := strings.Repeat("x", 400<<10)
	for i := range 20 {
		if err := e.Consume(t.Context(), record(t, fmt.Sprint(i, big))); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	kept := 0
	for _, entry := range entries {
		names = append(names, entry.Name())
		if info, _ := entry.Info(); info.Size() > 1<<20 {
			t.Errorf("%s has %d bytes", entry.Name(), info.Size())
		} else if info.Size() > 0 {
			kept += len(lines(t, filepath.Join(dir, entry.Name())))
		}
	}
	// 20 records of 400 KiB, two a file: ten files, of which the last and three predecessors are kept.
	if kept != 8 || len(names) != 6 {
		t.Errorf("%d records in %v", kept, names)
	}
	if i := strings.Join(names, " "); strings.Contains(i, "out-2020-01-01T00-00-00.000.json") || !strings.Contains(i, "out-other.json") || !strings.Contains(i, ".txt") {
		t.Errorf("the wrong files were removed: %v", names)
	}
}

func TestPredecessorsByAge(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	old, young := predecessor(path, time.Now().UTC().Add(-49*time.Hour)), predecessor(path, time.Now().UTC().Add(-47*time.Hour))
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e := start(t, "path: "+path+"\nrotation:\n  max_days: 2\n  max_megabytes: 1\n")
	for range 2 {
		if err := e.Consume(t.Context(), record(t, strings.Repeat("x", 1<<20))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what is too old stays: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Error(err)
	}
}

// A disk that fills in the middle of a record leaves whole records only, and the caller is told to come back.
func TestAFullDiskLeavesNoTornRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.json")
	e := start(t, "path: "+path)
	if err := e.Consume(t.Context(), record(t, "one")); err != nil {
		t.Fatal(err)
	}
	// A limit on the size of files stands in for the disk: a write over it is cut short and then fails.
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	full := syscall.Rlimit{Cur: uint64(e.size) + 10, Max: was.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	err := e.Consume(t.Context(), record(t, "two"))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if ref, ok := pipeline.AsRefused(err); !ok || ref.After == 0 {
		t.Errorf("a full disk answers %v", err)
	}
	if _, due := e.failed.Now(); due {
		t.Error("the log says nothing of it")
	}
	if err := e.Consume(t.Context(), record(t, "three")); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 2 || !strings.Contains(got[1], "three") {
		t.Errorf("the file has %q", got)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Default()
	c.Format, c.FlushInterval, c.DirectoryPermissions = "xml", -1, "rwx"
	r := c.Rotation.GetOrInsertDefault()
	r.MaxMegabytes, r.MaxBackups = 0, -1
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{"path", "format", "flush_interval", "directory_permissions", "rotation::max_megabytes", "rotation::max_backups"} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
}

// TestAKillCostsNothingAcknowledged: at the next start the half record is cut off, and what comes next can be read.
func TestAKillCostsNothingAcknowledged(t *testing.T) {
	for _, format := range []string{formatJSON, formatProto} {
		path := filepath.Join(t.TempDir(), "out")
		put := func(text string) {
			e := start(t, "path: "+path+"\nformat: "+format+"\n")
			if err := e.Consume(t.Context(), record(t, text)); err != nil {
				t.Fatal(err)
			}
			if err := e.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		put("first")
		one, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for cut := range len(one) {
			if err := os.WriteFile(path, append(append([]byte(nil), one...), one[:cut]...), 0o600); err != nil {
				t.Fatal(err)
			}
			put("first")
			if got, err := os.ReadFile(path); err != nil || string(got) != string(one)+string(one) {
				t.Fatalf("%s, %d bytes of a torn record: the file is %q (%v)", format, cut, got, err)
			}
		}
	}
}

// TestTheFileIsFollowed: a file that is renamed or removed by another program is opened anew.
func TestTheFileIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "logs", "out.json")
	e := start(t, "path: "+path+"\ncreate_directory: true\nrotation: {}\n")
	put := func(text string) error { return e.Consume(t.Context(), record(t, text)) }
	if err := put("one"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := put("two"); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 1 || !strings.Contains(got[0], "two") {
		t.Errorf("after a rename the file has %q", got)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := put("three"); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 1 || !strings.Contains(got[0], "three") {
		t.Errorf("after a removal the file has %q", got)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := put("four"); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 1 || !strings.Contains(got[0], "four") {
		t.Errorf("after it was emptied the file has %q", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "logs")); err != nil {
		t.Fatal(err)
	}
	if _, again := pipeline.AsRefused(put("five")); !again {
		t.Error("without its folder the record was taken")
	}
}

// TestHollowRequests: empty records become many times their bytes of JSON, which are not held in memory.
func TestHollowRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	e := start(t, "path: "+path)
	const n = 2 << 20
	spans := wire.AppendBytes(nil, 2, bytes.Repeat(wire.AppendBytes(nil, 2, nil), n))
	b := pipeline.Batch{Signal: pipeline.Traces, Request: wire.AppendBytes(nil, 1, spans), Items: n}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := e.Consume(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("%d MiB were allocated", got>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, _ := f.Stat()
	if want := int64(otlpjson.Size(b.Signal, b.Request)) + 1; info.Size() != want || want < 12*n {
		t.Errorf("the file has %d bytes, want %d", info.Size(), want)
	}
	if err := e.Consume(t.Context(), record(t, "x")); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 2 || !json.Valid([]byte(got[0])) {
		t.Errorf("%d lines", len(got))
	}
}
