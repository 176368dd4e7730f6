package journald

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// TestMain is the tests' main, or that of a fake journalctl, which is this binary run again.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FAKE_JOURNAL"); dir != "" {
		os.Exit(fakeJournalctl(dir, os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// fakeJournalctl serves a folder of entries with their cursors as file names: those after --after-cursor, or the last
// --lines, then new ones. A file exit-after holds the number of entries after which it fails.
func fakeJournalctl(dir string, args []string) int {
	after, lines := "", -1
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--after-cursor="); ok {
			after = v
		}
		if v, ok := strings.CutPrefix(a, "--lines="); ok {
			lines, _ = strconv.Atoi(v)
		}
	}
	log, err := os.OpenFile(filepath.Join(dir, ".calls"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 2
	}
	fmt.Fprintln(log, strings.Join(args, " "))
	log.Close()
	exitAfter := -1
	if b, err := os.ReadFile(filepath.Join(dir, ".exit-after")); err == nil {
		exitAfter, _ = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	for given := 0; ; time.Sleep(5 * time.Millisecond) {
		entries, _ := os.ReadDir(dir)
		entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), ".") || e.Name() <= after })
		if lines >= 0 {
			entries = entries[max(0, len(entries)-lines):]
			lines = -1
		}
		for _, e := range entries {
			if given == exitAfter {
				fmt.Fprintln(os.Stderr, "the journal was rotated under my feet")
				return 1
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return 2
			}
			if _, err := os.Stdout.Write(b); err != nil {
				return 0
			}
			after = e.Name()
			given++
		}
	}
}

// journal is a fake journal, a sink and a receiver that reads the one into the other.
type journal struct {
	t        *testing.T
	dir      string
	n        int
	cfg      *Config
	settings pipeline.Settings
	receiver *Receiver

	mu       sync.Mutex
	refuse   bool
	rejects  int
	records  []string // service: message
	requests int      // taken
	last     wire.Request
}

func newJournal(t *testing.T) *journal {
	j := &journal{t: t, dir: t.TempDir(), cfg: Default()}
	t.Setenv("FAKE_JOURNAL", j.dir)
	j.settings, _ = pipelinetest.Settings(t, pipeline.KindReceiver, "journald")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	j.cfg.JournalctlPath = exe
	j.cfg.StartAt, j.cfg.Linger = startAtBeginning, 20*time.Millisecond
	return j
}

// say puts an entry into the journal.
func (j *journal) say(unit, text string, more ...string) {
	j.t.Helper()
	j.n++
	cursor := fmt.Sprintf("s=%04d", j.n)
	fields := append([]string{
		"__CURSOR=" + cursor, fmt.Sprintf("__REALTIME_TIMESTAMP=%d", time.Now().UnixMicro()), "_SYSTEMD_UNIT=" + unit, "PRIORITY=4", "MESSAGE=" + text,
	}, more...)
	tmp := filepath.Join(j.dir, ".tmp")
	if err := os.WriteFile(tmp, encodeEntry(fields...), 0o600); err != nil {
		j.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(j.dir, cursor)); err != nil {
		j.t.Fatal(err)
	}
}

// encodeEntry writes fields as journalctl does: as a line when they are printable, else with a length.
func encodeEntry(fields ...string) []byte {
	var out []byte
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0xfffd }) {
			out = binary.LittleEndian.AppendUint64(append(out, name+"\n"...), uint64(len(value)))
			out = append(append(out, value...), '\n')
		} else {
			out = append(out, f+"\n"...)
		}
	}
	return append(out, '\n')
}

func (j *journal) Consume(_ context.Context, b pipeline.Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refuse {
		return pipeline.Refuse(10*time.Millisecond, errors.New("not now"))
	}
	if j.rejects > 0 {
		j.rejects--
		return pipeline.Reject(b.Items, pipeline.DropInvalid, errors.New("never"))
	}
	checked, info, err := wire.Check(wire.Logs, b.Request, wire.Limits{})
	if err != nil || info.Canonicalized || info.RepairedStrings > 0 || info.Items != b.Items || string(checked) != string(b.Request) {
		j.t.Errorf("not a canonical request of %d items: %+v, %v", b.Items, info, err)
	}
	j.requests++
	j.last = append(wire.Request(nil), b.Request...)
	for rs := j.last.Resources(); rs.Next(); {
		service, _ := wire.ResourceAttributes(rs.Resource()).Find("service.name")
		for ss := rs.Scopes(); ss.Next(); {
			for items := ss.Items(); items.Next(); {
				l := wire.ParseLog(items.Bytes())
				j.records = append(j.records, string(service.Str())+": "+string(l.Body.Str()))
			}
		}
	}
	return nil
}

func (j *journal) start() {
	j.t.Helper()
	s := j.settings
	s.Metrics = pipelineRegistry()
	r, err := New(s, j.cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, j), pipeline.Logs))
	if err == nil {
		err = r.Start(context.Background())
	}
	if err != nil {
		j.t.Fatal(err)
	}
	j.receiver = r
}

func (j *journal) stop() {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := j.receiver.Stop(ctx); err != nil {
		j.t.Fatal(err)
	}
}

func (j *journal) taken() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.records, "|")
}

func (j *journal) set(f func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f()
}

func (j *journal) want(records string) {
	j.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); j.taken() != records; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			j.t.Fatalf("have %s\nwant %s", j.taken(), records)
		}
	}
}
