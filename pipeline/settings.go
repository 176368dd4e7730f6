package pipeline

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/ottl"
)

// Settings is what the engine gives every component. Tests use pipelinetest.Settings.
type Settings struct {
	ID      ID     // the component's name in the file: type, or type/name
	Kind    Kind   // receiver, processor, connector or exporter
	Signal  Signal // of a processor's pipeline, or that a connector takes; 0 for receivers and exporters
	DataDir string // a folder of the component's own for state, made on first use by the component
	Version string // of the build, for user agents

	Log     *slog.Logger          // carries the component's name already
	Metrics prometheus.Registerer // carries the label component already; taken back when the graph is replaced
	Budget  *Budget               // admission by bytes; receivers reserve here, and queues claim their readers' share at the start
	Listen  listen.Func           // opens a listener that outlives a reload; for HTTP there is Serve

	View View // what runs beside the component, for pages and reports

	Books            // the component's accounts in the ledger
	Estates *Estates // for Leave and Inherit
	// Trace is told of each statement that meets a record, for `sluice explain`; nil in a daemon.
	Trace     func(ottl.Step)
	Listeners *listen.Listeners // for Serve; they have the HTTP servers of earlier graphs
}

// View is access to the running process.
type View struct {
	Ledger Reader
	Config *Config             // the configuration of the component's own graph
	Own    prometheus.Gatherer // our own metrics, as /metrics has them; nil where nothing serves them
	// Components are those of the graph, once it is built. Look for their methods by interface.
	Components func() []any
}

// Serve serves h, on the connections that the previous graph left on the address if the terms are the same, else on
// a new listener.
func (s Settings) Serve(ctx context.Context, h listen.HTTP) (*listen.Serving, error) {
	return s.Listeners.Serve(ctx, s.Log, s.Listen, h)
}

// Name is the component's name in logs and metrics: "exporter/otlp_http".
func (s Settings) Name() string { return string(s.Kind) + "/" + s.ID.String() }

// LibraryLog is the log for libraries: their info is logged as debug.
func (s Settings) LibraryLog() *slog.Logger { return slog.New(demoted{s.Log.Handler()}) }

type demoted struct{ slog.Handler }

func (d demoted) Enabled(ctx context.Context, l slog.Level) bool {
	return d.Handler.Enabled(ctx, lower(l))
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level = lower(r.Level)
	return d.Handler.Handle(ctx, r)
}

func (d demoted) WithAttrs(a []slog.Attr) slog.Handler { return demoted{d.Handler.WithAttrs(a)} }
func (d demoted) WithGroup(name string) slog.Handler   { return demoted{d.Handler.WithGroup(name)} }

func lower(l slog.Level) slog.Level {
	if l == slog.LevelInfo {
		return slog.LevelDebug
	}
	return l
}
