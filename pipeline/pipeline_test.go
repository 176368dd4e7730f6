package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func batchOf(items int) Batch {
	return Batch{Signal: Logs, Request: make(wire.Request, items*10), Items: items}
}

func testSettings(kind Kind) (Settings, *Ledger) {
	l := NewLedger()
	return l.Settings(kind, ID{Type: "x"}, Signals[:]...), l
}

func accountOf(t *testing.T, l *Ledger, component string) Account {
	t.Helper()
	for _, a := range l.Read() {
		if a.Component == component && a.Signal == Logs {
			return a
		}
	}
	t.Fatalf("no door of %s", component)
	return Account{}
}

func TestTheLedgerClosesAtEveryInstant(t *testing.T) {
	s, l := testSettings(KindExporter)
	answers := []error{
		nil, Refuse(0, errors.New("later")), Reject(0, DropInvalid, errors.New("all bad")),
		Reject(3, DropTooOld, errors.New("three bad")), errors.New("plain"),
	}
	var calls atomic.Int64
	sink := s.Entrance(Logs, SinkFunc(func(_ context.Context, b Batch) error {
		n := calls.Add(1)
		err := answers[int(n)%len(answers)]
		if err == nil {
			s.Drop(DropDuplicate, Logs, 2, 20)
		}
		s.Delivered(Logs, b.Items, len(b.Request))
		return err
	}))
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if gap := l.Unaccounted(); gap != 0 {
					t.Errorf("%d items unaccounted for", gap)
					return
				}
			}
		}
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				sink.Consume(t.Context(), batchOf(10))
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	a := accountOf(t, l, "exporter/x")
	dropped := int64(0)
	for _, d := range a.Dropped {
		dropped += d.Items
	}
	if a.In.Items != 40000 || a.Out.Items+a.Refused.Items+dropped != 40000 || a.Held.Items != 0 {
		t.Errorf("in %d, out %d, refused %d, dropped %d, held %d", a.In.Items, a.Out.Items, a.Refused.Items, dropped, a.Held.Items)
	}
	if a.Dropped[DropTooOld].Items != 800*3 || a.Dropped[DropInvalid].Items != 8000 || a.Dropped[DropDuplicate].Items != 1600 {
		t.Errorf("dropped: %v", a.Dropped)
	}
	if a.In.Bytes != a.Out.Bytes+a.Refused.Bytes+a.Dropped[DropTooOld].Bytes+a.Dropped[DropInvalid].Bytes+a.Dropped[DropDuplicate].Bytes {
		t.Errorf("bytes do not close: %+v", a)
	}
}

// TestTheLedgerSeesLies plants the two bugs that the ledger exists for.
func TestTheLedgerSeesLies(t *testing.T) {
	t.Run("an exporter that answers nil without delivering", func(t *testing.T) {
		s, l := testSettings(KindExporter)
		s.Entrance(Logs, SinkFunc(func(context.Context, Batch) error { return nil })).Consume(t.Context(), batchOf(7))
		if got := l.Unaccounted(); got != 7 {
			t.Errorf("unaccounted is %d, want 7", got)
		}
	})
	t.Run("a processor that acknowledges early", func(t *testing.T) {
		l := NewLedger()
		from := l.door(KindProcessor, doorKey{component: "processor/liar", signal: Logs})
		to := l.door(KindProcessor, doorKey{component: "processor/next", signal: Logs})
		to.join(from)
		liar := &entrance{door: from, next: SinkFunc(func(context.Context, Batch) error { return nil })}
		liar.Consume(t.Context(), batchOf(5))
		if got := l.Unaccounted(); got != 5 {
			t.Errorf("unaccounted is %d, want 5", got)
		}
	})
	t.Run("dropping what never came", func(t *testing.T) {
		s, l := testSettings(KindProcessor)
		s.Drop(DropFiltered, Logs, 4, 0)
		if got := l.Unaccounted(); got == 0 {
			t.Error("a processor dropped records that it never had, and nobody noticed")
		}
	})
}

func TestFanOutRepeatsOnlyTheRefusedBranches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls [3]int
		branch := func(i int, answer func(n int) error) Sink {
			return SinkFunc(func(context.Context, Batch) error {
				calls[i]++
				return answer(calls[i])
			})
		}
		f := fanOutTo([]Sink{
			branch(0, func(int) error { return nil }),
			branch(1, func(n int) error {
				if n < 3 {
					return Refuse(time.Second, errors.New("busy"))
				}
				return nil
			}),
			branch(2, func(int) error { return Reject(1, DropRejected, errors.New("never")) }),
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := f.Consume(ctx, batchOf(1)); err != nil {
			t.Errorf("got %v, want nil: one branch took it and the rejected one is counted at its own door", err)
		}
		if calls != [3]int{1, 3, 1} {
			t.Errorf("the branches were called %v times, want 1, 3, 1", calls)
		}
		calls = [3]int{}
		if err := f.Consume(t.Context(), batchOf(1)); err != nil || calls != [3]int{1, 3, 1} {
			t.Errorf("without a deadline: %v after %v calls, want nil after 1, 3, 1", err, calls)
		}
		calls = [3]int{}
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, leave)
		if _, again := AsRefused(f.Consume(ctx, batchOf(1))); !again || calls != [3]int{1, 2, 1} {
			t.Errorf("a caller that leaves got no refusal, or after %v calls; want 1, 2, 1", calls)
		}
	})
	all := fanOutTo([]Sink{
		SinkFunc(func(context.Context, Batch) error { return Reject(1, DropRejected, errors.New("a")) }),
		SinkFunc(func(context.Context, Batch) error { return Reject(1, DropRejected, errors.New("b")) }),
	})
	if _, never := AsRejected(all.Consume(t.Context(), batchOf(1))); !never {
		t.Error("rejected by every branch is rejected")
	}
}

func TestHandoverNeverWaitsAndCountsWhatItLoses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		open := make(chan struct{})
		var got []int
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(ctx context.Context, b Batch) error {
			select {
			case <-open:
				got = append(got, b.Items)
				return nil
			default:
				return Refuse(0, errors.New("down"))
			}
		})), Logs, 100)
		h.Start(t.Context())
		for i := 1; i <= 5; i++ {
			b := batchOf(4)
			b.Items = i
			h.Put(b) // 40 bytes each: the first is in the sender's hand, two of the others fit
			synctest.Wait()
		}
		if lost := accountOf(t, l, "receiver/x").Dropped[DropBacklogFull].Items; lost != 2+3 {
			t.Errorf("%d items dropped as backlog_full, want those of batches 2 and 3", lost)
		}
		if held := accountOf(t, l, "receiver/x").Held.Items; held != 1+4+5 {
			t.Errorf("%d items held, want 10", held)
		}
		close(open)
		time.Sleep(10 * time.Second)
		h.Stop(t.Context())
		if fmt.Sprint(got) != "[1 4 5]" {
			t.Errorf("delivered %v, want [1 4 5]", got)
		}
		if l.Unaccounted() != 0 {
			t.Error("the ledger does not close")
		}
	})
}

func TestHandoverCountsWhatTheDrainLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := testSettings(KindReceiver)
		h := NewHandover(s, s.Entrance(Logs, SinkFunc(func(context.Context, Batch) error {
			return Refuse(0, errors.New("down"))
		})), Logs, 1000)
		h.Start(t.Context())
		h.Put(batchOf(3))
		h.Put(batchOf(4))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		h.Stop(ctx)
		a := accountOf(t, l, "receiver/x")
		if a.Dropped[DropShutdown].Items != 7 || a.Held.Items != 0 {
			t.Errorf("dropped %v, held %d; want 7 as shutdown_timeout", a.Dropped, a.Held.Items)
		}
	})
}

func TestBudget(t *testing.T) {
	b := NewBudget(1000)
	one, err := b.Reserve(200)
	if err != nil || b.Used() != 600 {
		t.Fatalf("used %d, %v; want three times 200", b.Used(), err)
	}
	if _, err := b.Reserve(200); !errors.Is(err, ErrNoBudget) {
		t.Errorf("the second was admitted: %v", err)
	}
	if err := one.Resize(100); err != nil || b.Used() != 300 {
		t.Errorf("trued up to %d, %v; want 300", b.Used(), err)
	}
	other, err := b.Reserve(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Resize(5000); !errors.Is(err, ErrNoBudget) || b.Used() != 303 {
		t.Errorf("growing beyond the limit: %v, used %d", err, b.Used())
	}
	other.Release()
	one.Release()
	one.Release()
	if b.Used() != 0 {
		t.Errorf("%d bytes are still reserved", b.Used())
	}
	huge, err := b.Reserve(5000)
	if err != nil {
		t.Errorf("a request larger than everything was refused although nothing else is inside: %v", err)
	}
	huge.Release()
	b.pressure.Store(true)
	if _, err := b.Reserve(1); !errors.Is(err, ErrNoBudget) {
		t.Error("admitted while the heap is over its limit")
	}
}

func TestListenersOutliveTheirServers(t *testing.T) {
	l := NewListeners()
	defer l.Close()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()

	serve := func(body string) *http.Server {
		ln, err := l.Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })}
		go srv.Serve(ln)
		return srv
	}
	get := func() string {
		c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := c.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text)
	}
	first := serve("one")
	if got := get(); got != "one" {
		t.Errorf("got %q", got)
	}
	if _, err := l.Listen(t.Context(), "tcp", addr); err == nil {
		t.Error("two servers got the same socket at once")
	}
	first.Shutdown(t.Context())

	// A client that connects while nobody serves waits; it is not turned away.
	answer := make(chan string)
	go func() { answer <- get() }()
	time.Sleep(20 * time.Millisecond)
	second := serve("two")
	if got := <-answer; got != "two" {
		t.Errorf("got %q", got)
	}
	second.Shutdown(t.Context())
	l.Sweep()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the socket is open although nobody uses it")
	}
}

// node is a component of the tests: it records its life in a shared log.
type node struct {
	name string
	kit  *kit
	next Sink
	fail error
}

func (n *node) Start(context.Context) error { n.kit.note("+" + n.name); return n.fail }
func (n *node) Stop(ctx context.Context) error {
	n.kit.note("-" + n.name)
	if n.kit.onStop != nil {
		n.kit.onStop(ctx)
	}
	return nil
}
func (n *node) Consume(ctx context.Context, b Batch) error {
	if n.next == nil {
		return nil
	}
	return n.next.Consume(ctx, b)
}

type nodeConfig struct{ BuildFault, StartFault string }

// kit is a set of components whose life is recorded.
type kit struct {
	onStop func(context.Context)
	mu     sync.Mutex
	log    []string
	outs   map[string]Outputs
}

func (k *kit) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, what)
}

func (k *kit) node(s Settings, c *nodeConfig, next Sink) (*node, error) {
	if c.BuildFault != "" {
		return nil, errors.New(c.BuildFault)
	}
	n := &node{name: s.ID.String(), kit: k, next: next}
	if c.StartFault != "" {
		n.fail = errors.New(c.StartFault)
	}
	return n, nil
}

func (k *kit) config(pipelines ...PipelineConfig) *Config {
	def := func() *nodeConfig { return &nodeConfig{} }
	rec := Receiver("in", def, func(s Settings, c *nodeConfig, o Outputs) (any, error) {
		k.outs[s.ID.String()] = o
		return k.node(s, c, nil)
	}, Signals[:]...)
	proc := Processor("mid", def, func(s Settings, c *nodeConfig, next Sink) (Sink, error) { return k.node(s, c, next) }, Signals[:]...)
	exp := Exporter("out", def, func(s Settings, c *nodeConfig) (Sink, error) {
		n, err := k.node(s, c, nil)
		if err != nil {
			return nil, err
		}
		n.next = SinkFunc(func(_ context.Context, b Batch) error {
			s.Delivered(b.Signal, b.Items, len(b.Request))
			return nil
		})
		return n, nil
	}, Signals[:]...)
	cfg := &Config{Service: ServiceConfig{ShutdownTimeout: time.Second}, Pipelines: pipelines}
	seen := map[string]bool{}
	add := func(c Component, ids []ID) {
		for _, id := range ids {
			if id.Type == c.Type && !seen[id.String()] {
				seen[id.String()] = true
				cfg.Instances = append(cfg.Instances, Instance{ID: id, Component: c, Config: c.Default(), Place: Place{File: "test.yaml", Line: len(seen)}})
			}
		}
	}
	for _, p := range pipelines {
		add(rec, p.Receivers)
		add(proc, p.Processors)
		add(exp, p.Exporters)
	}
	return cfg
}

func ids(t *testing.T, names ...string) (out []ID) {
	t.Helper()
	for _, n := range names {
		id, err := ParseID(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func pipe(t *testing.T, name, receivers, processors, exporters string) PipelineConfig {
	t.Helper()
	return PipelineConfig{
		ID: ids(t, name)[0], Signal: Logs, Receivers: ids(t, strings.Fields(receivers)...),
		Processors: ids(t, strings.Fields(processors)...), Exporters: ids(t, strings.Fields(exporters)...),
	}
}

func newService(t *testing.T) *Service {
	return NewService(slog.New(slog.NewTextHandler(t.Output(), nil)), t.TempDir(), "test")
}

func TestTheGraphStartsUpwardAndStopsDownward(t *testing.T) {
	k := &kit{outs: map[string]Outputs{}}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "mid/1 mid/2", "out"))
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := k.outs["in"].For(Logs).Consume(t.Context(), batchOf(3)); err != nil {
		t.Error(err)
	}
	if k.outs["in"].For(Traces) != nil {
		t.Error("no pipeline takes traces, yet there is an output")
	}
	s.Stop(t.Context())
	if got, want := strings.Join(k.log, " "), "+out +mid/2 +mid/1 +in -in -mid/1 -mid/2 -out"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, door := range []string{"receiver/in", "processor/mid/1", "processor/mid/2", "exporter/out"} {
		if a := accountOf(t, s.Ledger(), door); a.In.Items != 3 || a.Out.Items != 3 {
			t.Errorf("%s: in %d, out %d, want 3 and 3", door, a.In.Items, a.Out.Items)
		}
	}
	if s.Ledger().Unaccounted() != 0 {
		t.Error("the ledger does not close")
	}
}

func TestFanOutAndConnectors(t *testing.T) {
	k := &kit{outs: map[string]Outputs{}}
	s := newService(t)
	cfg := k.config(
		pipe(t, "logs/front", "in", "", "forward/x out/a"),
		pipe(t, "logs/back", "forward/x", "mid", "out/b"),
		pipe(t, "logs/more", "in forward/x", "", "out/b"),
	)
	cfg.Service.Connectors = ids(t, "forward/x")
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := k.outs["in"].For(Logs).Consume(t.Context(), batchOf(1)); err != nil {
		t.Error(err)
	}
	s.Stop(t.Context())
	if a, b := accountOf(t, s.Ledger(), "exporter/out/a"), accountOf(t, s.Ledger(), "exporter/out/b"); a.In.Items != 1 || b.In.Items != 3 {
		t.Errorf("out/a got %d and out/b %d, want 1 and 3", a.In.Items, b.In.Items)
	}
	if gap := s.Ledger().Unaccounted(); gap != 0 {
		t.Errorf("the ledger does not close by %d", gap)
	}

	cycle := k.config(pipe(t, "logs/1", "forward/y", "", "forward/x"), pipe(t, "logs/2", "forward/x", "", "forward/y"))
	cycle.Service.Connectors = ids(t, "forward/x", "forward/y")
	if err := newService(t).Start(t.Context(), cycle); err == nil || !strings.Contains(err.Error(), "feeds itself") {
		t.Errorf("a cycle was built: %v", err)
	}
}

func TestReload(t *testing.T) {
	k := &kit{outs: map[string]Outputs{}}
	s := newService(t)
	good := k.config(pipe(t, "logs", "in", "mid", "out"))
	if err := s.Start(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	send := func() {
		t.Helper()
		if err := k.outs["in"].For(Logs).Consume(t.Context(), batchOf(1)); err != nil {
			t.Error(err)
		}
	}
	send()
	k.log = nil
	bad := k.config(pipe(t, "logs", "in", "mid", "out"))
	bad.Instances[1].Config = &nodeConfig{BuildFault: "the certificate does not load"}
	err := s.Reload(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "test.yaml:2") || !strings.Contains(err.Error(), "changes nothing") {
		t.Errorf("got %v", err)
	}
	if len(k.log) != 0 || s.State() != StateReady {
		t.Errorf("an invalid configuration changed something: %v, state %s", k.log, s.State())
	}
	stuck := k.config(pipe(t, "logs", "in", "mid", "out"))
	stuck.Instances[0].Config = &nodeConfig{StartFault: "the port is taken"}
	if err := s.Reload(t.Context(), stuck); err == nil || !strings.Contains(err.Error(), "going back") {
		t.Errorf("got %v", err)
	}
	if s.State() != StateReady || s.Config() != good {
		t.Error("a configuration that does not start must leave the one before it running")
	}
	send()
	if err := s.Reload(t.Context(), k.config(pipe(t, "logs", "in", "", "out"))); err != nil {
		t.Error(err)
	}
	send()
	left := s.Stop(t.Context())
	if a := accountOf(t, s.Ledger(), "exporter/out"); a.In.Items != 3 || left.Unaccounted != 0 {
		t.Errorf("over three graphs the exporter counts %d items, unaccounted %d; want 3 and 0", a.In.Items, left.Unaccounted)
	}
	if a := accountOf(t, s.Ledger(), "processor/mid"); a.In.Items != 2 {
		t.Errorf("the processor that is gone counts %d, want its 2", a.In.Items)
	}
}
