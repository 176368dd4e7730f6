package engine

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func batchOf(items int) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: make(wire.Request, items*10), Items: items}
}

func accountOf(t *testing.T, l *ledger.Ledger, component string) pipeline.Statement {
	t.Helper()
	for _, a := range l.Read() {
		if a.Component == component && a.Signal == pipeline.Logs {
			return a
		}
	}
	t.Fatalf("no account of %s", component)
	return pipeline.Statement{}
}

// fake is a component of the tests: it records its life in a shared log.
type fake struct {
	name string
	kit  *kit
	next pipeline.Sink
	fail error
}

func (n *fake) Start(context.Context) error { n.kit.note("+" + n.name); return n.fail }
func (n *fake) Stop(ctx context.Context) error {
	n.kit.note("-" + n.name)
	if n.kit.onStop != nil {
		n.kit.onStop(ctx)
	}
	return nil
}
func (n *fake) Consume(ctx context.Context, b pipeline.Batch) error {
	if n.next == nil {
		return nil
	}
	return n.next.Consume(ctx, b)
}

func (n *fake) Ready() error {
	if why := n.kit.unready.Load(); why != nil {
		return errors.New(*why)
	}
	return nil
}

type fakeConfig struct{ BuildFault, StartFault string }

// kit is a set of components whose life is recorded.
type kit struct {
	onStop  func(context.Context)
	unready atomic.Pointer[string] // why no component takes anything
	hold    chan struct{}          // exporters answer when it is closed; nil: at once
	mu      sync.Mutex
	log     []string
	outs    map[string]pipeline.Outputs
}

func (k *kit) note(what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, what)
}

func (k *kit) fake(s pipeline.Settings, c *fakeConfig, next pipeline.Sink) (*fake, error) {
	if c.BuildFault != "" {
		return nil, errors.New(c.BuildFault)
	}
	n := &fake{name: s.ID.String(), kit: k, next: next}
	if c.StartFault != "" {
		n.fail = errors.New(c.StartFault)
	}
	return n, nil
}

func (k *kit) config(pipelines ...pipeline.PipelineConfig) *pipeline.Config {
	def := func() *fakeConfig { return &fakeConfig{} }
	rec := pipeline.Receiver("in", def, func(s pipeline.Settings, c *fakeConfig, o pipeline.Outputs) (any, error) {
		k.outs[s.ID.String()] = o
		return k.fake(s, c, nil)
	}, pipeline.Signals[:]...)
	proc := pipeline.Processor("mid", def, func(s pipeline.Settings, c *fakeConfig, next pipeline.Sink) (pipeline.Sink, error) {
		return k.fake(s, c, next)
	}, pipeline.Signals[:]...)
	exp := pipeline.Exporter("out", def, func(s pipeline.Settings, c *fakeConfig) (pipeline.Sink, error) {
		n, err := k.fake(s, c, nil)
		if err != nil {
			return nil, err
		}
		n.next = pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			if k.hold != nil {
				<-k.hold
				return pipeline.Refuse(0, errors.New("given up"))
			}
			s.Delivered(b.Signal, b.Items, len(b.Request))
			return nil
		})
		return n, nil
	}, pipeline.Signals[:]...)
	join := pipeline.Connector("forward", def, func(s pipeline.Settings, c *fakeConfig, o pipeline.Outputs) (pipeline.Sink, error) {
		k.outs[s.ID.String()] = o
		return k.fake(s, c, o.For(s.Signal))
	}, pipeline.SameSignal()...)
	cfg := &pipeline.Config{Service: pipeline.ServiceConfig{ShutdownTimeout: time.Second}, Pipelines: pipelines}
	seen := map[string]bool{}
	add := func(c pipeline.Component, ids []pipeline.ID) {
		for _, id := range ids {
			if id.Type == c.Type && !seen[id.String()] {
				seen[id.String()] = true
				cfg.Instances = append(cfg.Instances, pipeline.Instance{ID: id, Component: c, Config: c.Default(), Place: pipeline.Place{File: "test.yaml", Line: len(seen)}})
			}
		}
	}
	for _, p := range pipelines {
		add(rec, p.Receivers)
		add(join, p.Exporters)
		add(proc, p.Processors)
		add(exp, p.Exporters)
	}
	return cfg
}

func ids(t *testing.T, names ...string) (out []pipeline.ID) {
	t.Helper()
	for _, n := range names {
		id, err := pipeline.ParseID(n)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	return out
}

func pipe(t *testing.T, name, receivers, processors, exporters string) pipeline.PipelineConfig {
	t.Helper()
	return pipeline.PipelineConfig{
		ID: ids(t, name)[0], Signal: pipeline.Logs, Receivers: ids(t, strings.Fields(receivers)...),
		Processors: ids(t, strings.Fields(processors)...), Exporters: ids(t, strings.Fields(exporters)...),
	}
}

func newService(t *testing.T) *Service {
	return NewService(slog.New(slog.NewTextHandler(t.Output(), nil)), t.TempDir(), "test")
}

func TestTheGraphStartsUpwardAndStopsDownward(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "mid/1 mid/2", "out"))
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := k.outs["in"].For(pipeline.Logs).Consume(t.Context(), batchOf(3)); err != nil {
		t.Error(err)
	}
	if k.outs["in"].For(pipeline.Traces) != nil {
		t.Error("no pipeline takes traces, yet there is an output")
	}
	s.Stop(t.Context())
	if got, want := strings.Join(k.log, " "), "+out +mid/2 +mid/1 +in -in -mid/1 -mid/2 -out"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, account := range []string{"receiver/in", "processor/mid/1", "processor/mid/2", "exporter/out"} {
		if a := accountOf(t, s.Ledger(), account); a.In.Items != 3 || a.Out.Items != 3 {
			t.Errorf("%s: in %d, out %d, want 3 and 3", account, a.In.Items, a.Out.Items)
		}
	}
	if s.Ledger().Unaccounted() != 0 {
		t.Error("the ledger does not close")
	}
}

func TestFanOutAndConnectors(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	cfg := k.config(
		pipe(t, "logs/front", "in", "", "forward/x out/a"),
		pipe(t, "logs/back", "forward/x", "mid", "out/b"),
		pipe(t, "logs/more", "in forward/x", "", "out/b"),
	)
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if err := k.outs["in"].For(pipeline.Logs).Consume(t.Context(), batchOf(1)); err != nil {
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
	if err := newService(t).Start(t.Context(), cycle); err == nil || !strings.Contains(err.Error(), "feeds itself") {
		t.Errorf("a cycle was built: %v", err)
	}
}

func TestReload(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	good := k.config(pipe(t, "logs", "in", "mid", "out"))
	if err := s.Start(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	send := func() {
		t.Helper()
		if err := k.outs["in"].For(pipeline.Logs).Consume(t.Context(), batchOf(1)); err != nil {
			t.Error(err)
		}
	}
	send()
	k.log = nil
	bad := k.config(pipe(t, "logs", "in", "mid", "out"))
	bad.Instances[1].Config = &fakeConfig{BuildFault: "the certificate does not load"}
	err := s.Reload(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "test.yaml:2") || !strings.Contains(err.Error(), "changes nothing") {
		t.Errorf("got %v", err)
	}
	if len(k.log) != 0 || s.State() != StateReady {
		t.Errorf("an invalid configuration changed something: %v, state %s", k.log, s.State())
	}
	stuck := k.config(pipe(t, "logs", "in", "mid", "out"))
	stuck.Instances[0].Config = &fakeConfig{StartFault: "the port is taken"}
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

// TestReloadThatCannotGoBack: neither the new configuration nor the one before it starts; the caller has to know.
func TestReloadThatCannotGoBack(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	old, stuck := k.config(pipe(t, "logs", "in", "mid", "out")), k.config(pipe(t, "logs", "in", "mid", "out"))
	if err := s.Start(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	old.Instances[0].Config = &fakeConfig{StartFault: "the port is taken meanwhile"}
	stuck.Instances[0].Config = &fakeConfig{StartFault: "the port is taken"}
	if err := s.Reload(t.Context(), stuck); !errors.Is(err, ErrNothingRuns) || !strings.Contains(err.Error(), "meanwhile") {
		t.Errorf("got %v", err)
	}
	if s.State() == StateReady {
		t.Error("it says that it is ready")
	}
	s.Stop(t.Context())
}
