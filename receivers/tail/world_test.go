package tail

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests that are parallel wait for other programs, not for a processor.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// logRecord is one delivered log record, as a test wants to see it.
type logRecord struct {
	file      string // log.file.name
	stream    string // log.iostream
	body      string
	truncated bool
	severity  string // number and text
	trace     string // ids and flags
	time      uint64
	observed  uint64
	at        time.Time // of its delivery
}

func (r logRecord) String() string {
	s := fmt.Sprintf("%s %q", r.file, r.body)
	if r.stream != "" {
		s += " " + r.stream
	}
	if r.truncated {
		s += " truncated"
	}
	if r.severity != "" {
		s += " " + r.severity
	}
	if r.trace != "" {
		s += " " + r.trace
	}
	return s
}

// world is a folder of logs, a sink and a receiver that can be stopped, killed and started again.
type world struct {
	t        testing.TB
	dir      string
	cfg      *Config
	settings pipeline.Settings
	ledger   *ledger.Ledger
	registry *prometheus.Registry
	receiver *Receiver
	rejected int // records in rejected batches

	sections map[string]string // of the case

	through pipeline.Sink // the sink in front of this one; nil: none

	mu      sync.Mutex
	records []logRecord
	answer  func(call int, b pipeline.Batch) error // nil: everything is taken
	calls   int
	totals  map[string]float64 // of receivers before this one
	unsaid  map[string]float64 // drops that a killed receiver did not live to count
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: tempDir(t), cfg: Default(), totals: map[string]float64{}, unsaid: map[string]float64{}}
	w.settings, w.ledger = pipelinetest.Settings(t, pipeline.KindReceiver, "tail")
	w.cfg.Include = []string{filepath.Join(w.dir, "*.log")}
	w.cfg.StartAt = startAtBeginning
	return w
}

// Consume checks what every batch must be, and takes it.
func (w *world) Consume(_ context.Context, b pipeline.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	if w.answer != nil {
		if err := w.answer(w.calls, b); err != nil {
			return err
		}
	}
	checked, info, err := wire.Check(wire.Logs, b.Request, wire.Limits{})
	if err != nil || info.Canonicalized || info.RepairedStrings > 0 || info.Items != b.Items || string(checked) != string(b.Request) {
		w.t.Errorf("not a canonical request of %d items: %+v, %v", b.Items, info, err)
	}
	w.records = append(w.records, recordsOf(b.Request)...)
	return nil
}

func recordsOf(r wire.Request) []logRecord {
	var out []logRecord
	for rs := r.Resources(); rs.Next(); {
		name, _ := wire.ResourceAttributes(rs.Resource()).Find("log.file.name")
		for ss := rs.Scopes(); ss.Next(); {
			for items := ss.Items(); items.Next(); {
				l := wire.ParseLog(items.Bytes())
				stream, _ := l.Attributes().Find("log.iostream")
				cut, _ := l.Attributes().Find("log.truncated")
				severity, trace := "", ""
				if l.SeverityNumber != 0 {
					severity = fmt.Sprintf("%d:%s", l.SeverityNumber, l.SeverityText)
				}
				if len(l.TraceID) > 0 {
					trace = fmt.Sprintf("%x-%x-%02x", l.TraceID, l.SpanID, l.Flags)
				}
				out = append(out, logRecord{severity: severity, trace: trace, file: string(name.Str()), stream: string(stream.Str()), body: string(l.Body.Str()), truncated: cut.Bool(), time: l.Time, observed: l.ObservedTime, at: time.Now()})
			}
		}
	}
	return out
}

// checkpointFile is where the receiver keeps its checkpoint.
func (w *world) checkpointFile() string { return checkpointPath(w.settings, w.cfg) }

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) start() {
	w.t.Helper()
	if err := w.cfg.Validate(); err != nil {
		w.t.Fatal(err)
	}
	w.registry = prometheus.NewRegistry()
	s := w.settings
	s.Metrics = w.registry
	var sink pipeline.Sink = w
	if w.through != nil {
		sink = w.through
	}
	r, err := New(s, w.cfg, pipeline.OutputsTo(s.Entrance(pipeline.Logs, sink), pipeline.Logs))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := r.Start(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	w.receiver = r
}

func (w *world) stop() {
	w.t.Helper()
	if w.receiver == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.receiver.Stop(ctx); err != nil {
		w.t.Fatal(err)
	}
	w.bank()
	w.receiver, w.registry = nil, nil
}

// kill ends the receiver as SIGKILL does: what is on disk at this moment is all that the next one has.
func (w *world) kill() {
	w.t.Helper()
	path := w.checkpointFile()
	b, err := os.ReadFile(path)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	w.bank()
	receiver, before := w.receiver, w.drops()
	w.receiver, w.registry = nil, nil
	receiver.Stop(gone)
	for name, n := range w.drops() {
		w.unsaid[name] += n - before[name]
	}
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	} else if errors.Is(err, os.ErrNotExist) {
		err = os.RemoveAll(path)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// bank adds the counters of the receiver that ends to totals.
func (w *world) bank() { maps.Copy(w.totals, w.counters()) }

// drops is the ledger's, so far.
func (w *world) drops() map[string]float64 {
	out := map[string]float64{}
	for _, a := range w.ledger.Read() {
		for why, n := range a.Dropped {
			out["dropped "+string(why)] += float64(n.Items)
		}
	}
	return out
}

// counters is the sum of the receivers' own metrics so far, and the ledger's drops, without what is 0.
func (w *world) counters() map[string]float64 {
	w.t.Helper()
	out := maps.Clone(w.totals)
	for name := range out {
		if strings.HasPrefix(name, "dropped ") {
			delete(out, name)
		}
	}
	if w.registry != nil {
		families, err := w.registry.Gather()
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range families {
			name := strings.TrimPrefix(f.GetName(), "sluice_tail_")
			for _, m := range f.Metric {
				label := ""
				for _, l := range m.Label {
					label = " " + l.GetValue()
				}
				if m.Counter != nil {
					out[name+label] += m.Counter.GetValue()
				} else if m.Gauge != nil {
					out[name+label] = m.Gauge.GetValue()
				}
			}
		}
	}
	for name, n := range w.drops() {
		out[name] = n - w.unsaid[name]
	}
	maps.DeleteFunc(out, func(_ string, v float64) bool { return v == 0 })
	return out
}

// taken is what was delivered so far.
func (w *world) taken() []logRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]logRecord(nil), w.records...)
}

// bodies is the taken records' bodies, joined by bars.
func (w *world) bodies() string {
	var out []string
	for _, r := range w.taken() {
		out = append(out, r.body)
	}
	return strings.Join(out, "|")
}

// want waits until the bodies are as wanted.
func (w *world) want(bodies string) {
	w.t.Helper()
	w.until(func() bool { return w.bodies() == bodies }, func() string { return "have " + w.bodies() + "\nwant " + bodies })
}

// until waits for a condition, in real or in a bubble's time.
func (w *world) until(ok func() bool, state func() string) {
	w.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatal(state())
		}
	}
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

func (w *world) write(name, content string) { w.t.Helper(); write(w.t, w.path(name), content) }

func (w *world) append(name, content string) {
	w.t.Helper()
	f, err := os.OpenFile(w.path(name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteString(content)
		err = errors.Join(err, f.Close())
	}
	w.must(err)
}

func (w *world) rename(from, to string) { w.t.Helper(); w.must(os.Rename(w.path(from), w.path(to))) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}
