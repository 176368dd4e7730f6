package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/status"
)

// Service runs one configuration after the other, and owns what outlives a graph.
type Service struct {
	host     host
	registry *prometheus.Registry
	state    atomic.Int32
	asked    atomic.Pointer[graph] // for its readiness, while it runs
	own      ownMetrics
	board    *status.Board
	orphans  atomic.Int64 // queues that belong to no exporter

	mu       sync.Mutex // one of Start, Reload, Stop at a time
	cfg      *pipeline.Config
	graph    *graph
	servers  []*listen.Serving
	stopHeap context.CancelFunc
	watching context.CancelFunc // ends the board
	goLimit  int64              // of the runtime, as it was before any configuration
}

// State is the state of a Service; health is 200 only in StateReady.
type State int32

// The states, in order.
const (
	StateStarting State = iota
	StateReady
	StateReloading
	StateDraining
	StateStopped
)

func (s State) String() string {
	return [...]string{"starting", "ready", "reloading", "draining", "stopped"}[s]
}

// NewService makes a Service that runs nothing. dataDir is for components' state.
func NewService(log *slog.Logger, dataDir, version string) *Service {
	reg := prometheus.NewRegistry()
	s := &Service{
		registry: reg,
		host: host{
			ledger: ledger.New(), budget: pipeline.NewBudget(defaultBudget()), listeners: listen.New(), estates: pipeline.NewEstates(), settled: newSettled(),
			metrics: reg, history: newHistory(reg), log: log, dataDir: dataDir, version: version,
		},
	}
	s.board = status.NewBoard(s.host.ledger)
	s.goLimit = debug.SetMemoryLimit(-1)
	s.own.register(reg, s)
	return s
}

// Gatherer returns our own metrics.
func (s *Service) Gatherer() prometheus.Gatherer { return s.host.history }

// Registry is for further metrics of the process.
func (s *Service) Registry() *prometheus.Registry { return s.registry }

// Ledger is the accounting of everything that passed.
func (s *Service) Ledger() *ledger.Ledger { return s.host.ledger }

// State is the current state.
func (s *Service) State() State { return State(s.state.Load()) }

// Config is the running configuration.
func (s *Service) Config() *pipeline.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg
}

// Start builds and starts the configuration. After an error nothing runs.
func (s *Service) Start(ctx context.Context, cfg *pipeline.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := build(cfg, s.host)
	if err != nil {
		return err
	}
	if err := s.run(ctx, cfg, g); err != nil {
		s.host.listeners.Close()
		return err
	}
	watched, end := context.WithCancel(context.WithoutCancel(ctx))
	s.watching = end
	go s.board.Run(watched)
	s.state.Store(int32(StateReady))
	return nil
}

func (s *Service) run(ctx context.Context, cfg *pipeline.Config, g *graph) error {
	s.applyMemoryLimit(cfg.Service.MemoryLimit)
	if err := g.start(ctx); err != nil {
		s.abandon(g)
		return err
	}
	servers, err := s.serveOwn(ctx, cfg.Service)
	if err != nil {
		s.abandon(g)
		return err
	}
	s.cfg, s.graph, s.servers = cfg, g, servers
	s.asked.Store(g)
	return nil
}

func (s *Service) abandon(g *graph) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := g.stop(ctx); err != nil {
		s.host.log.Error("cannot stop the components that had started", "error", err)
	}
}

// ErrNothingRuns is the error of a Reload after which no configuration runs.
var ErrNothingRuns = errors.New("no configuration runs any more")

// Reload replaces the running graph. If the new configuration cannot be built, nothing changes; if it cannot be
// started (a taken port), the previous one is started again; if that fails too, the error is ErrNothingRuns.
func (s *Service) Reload(ctx context.Context, cfg *pipeline.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Metrics cannot be registered twice, so the new graph is built once as a check, and again when the old one is
	// gone.
	quiet := s.host
	quiet.log = slog.New(slog.DiscardHandler) // what components say, they say again
	if err := check(cfg, quiet); err != nil {
		s.own.reloaded(false)
		return fmt.Errorf("the new configuration changes nothing: %w", err)
	}

	s.state.Store(int32(StateReloading))
	old := s.cfg
	s.host.listeners.Hold()
	defer s.host.listeners.Sweep()
	s.host.estates.Open()
	defer s.host.estates.Close()
	// Drain even if the process is told to end meanwhile; then start nothing new.
	s.halt(context.WithoutCancel(ctx))
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("the process ends, the new configuration is not started: %w", err)
	}
	err := s.buildAndRun(ctx, cfg)
	s.own.reloaded(err == nil)
	if err != nil {
		err = fmt.Errorf("the new configuration does not start, going back to the one before: %w", err)
		if back := s.buildAndRun(ctx, old); back != nil {
			return fmt.Errorf("%w: %w; cannot go back either: %w", ErrNothingRuns, err, back)
		}
	}
	s.state.Store(int32(StateReady))
	return err
}

func (s *Service) buildAndRun(ctx context.Context, cfg *pipeline.Config) error {
	g, err := build(cfg, s.host)
	if err != nil {
		return err
	}
	return s.run(ctx, cfg, g)
}

// halt drains and stops the graph within the shutdown timeout; sockets stay open, and HTTP connections in a reload.
// It returns how many items were given up at the timeout: refused since, or still inside.
func (s *Service) halt(ctx context.Context) int64 {
	if s.graph == nil {
		return 0 // the last reload could not even go back
	}
	s.asked.Store(nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var refused atomic.Int64
	refused.Store(math.MaxInt64)
	defer time.AfterFunc(s.cfg.Service.ShutdownTimeout, func() {
		refused.Store(s.refused())
		cancel()
	}).Stop()
	if err := s.graph.stop(ctx); err != nil {
		s.host.log.Warn("some components did not stop cleanly", "error", err)
	}
	for _, srv := range s.servers {
		stopOwn(srv)
	}
	s.graph, s.servers = nil, nil
	return max(s.refused()-refused.Load(), 0) + s.inside()
}

func (s *Service) inside() (n int64) {
	for _, a := range s.host.ledger.Read() {
		if a.Kind == pipeline.KindReceiver {
			n += a.Held.Items
		}
	}
	return n
}

func (s *Service) refused() (n int64) {
	for _, a := range s.host.ledger.Read() {
		if a.Kind == pipeline.KindReceiver {
			n += a.Refused.Items
		}
	}
	return n
}

func (s *Service) dropped(why pipeline.Reason) (n int64) {
	for _, a := range s.host.ledger.Read() {
		n += a.Dropped[why].Items
	}
	return n
}

// Left is what a Service could not deliver.
type Left struct {
	Undelivered  int64 // given up when the drain's time ended; their senders were not told that they are safe
	TimedOut     int64 // dropped as shutdown_timeout, since the process started; they had no sender to tell
	Rotated      int64 // dropped as rotated_unread, since the process started: the metric may not be read again
	Unaccounted  int64 // 0, or a bug
	DrainSeconds float64
}

// Stop drains within the shutdown timeout and closes everything.
func (s *Service) Stop(ctx context.Context) Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Store(int32(StateDraining))
	begin := time.Now()
	undelivered := s.halt(ctx)
	s.host.listeners.Close()
	if s.stopHeap != nil {
		s.stopHeap()
	}
	if s.watching != nil {
		s.watching()
	}
	s.state.Store(int32(StateStopped))
	return Left{
		Undelivered: undelivered, TimedOut: s.dropped(pipeline.DropShutdown), Rotated: s.dropped(pipeline.DropRotatedUnread), Unaccounted: s.host.ledger.Unaccounted(),
		DrainSeconds: time.Since(begin).Seconds(),
	}
}

// ReloadFailed records in our metrics that a new configuration did not load.
func (s *Service) ReloadFailed() { s.own.reloaded(false) }
