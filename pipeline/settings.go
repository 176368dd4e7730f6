package pipeline

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluiceio/sluice/internal/listen"
)

// Settings is what the engine hands to every component it builds. Its zero value with a Log is not usable; tests
// take pipelinetest.Settings.
type Settings struct {
	ID      ID     // the component's name in the file: type, or type/name
	Kind    Kind   // receiver, processor, connector or exporter
	Signal  Signal // of a processor's pipeline, or that a connector takes; 0 for receivers and exporters
	DataDir string // a folder of the component's own for state, made on first use by the component
	Version string // of the build, for user agents

	Log     *slog.Logger          // carries the component's name already
	Metrics prometheus.Registerer // carries the label component already; taken back when the graph is replaced
	Budget  *Budget               // admission by bytes; receivers reserve here, nobody else
	Listen  listen.Func           // opens a listener that outlives a reload; for HTTP there is Serve

	View View // what runs beside the component, for pages and reports

	Books                       // the component's accounts in the ledger
	Estates   *Estates          // for Leave and Inherit
	Listeners *listen.Listeners // for Serve; they have the HTTP servers of earlier graphs
}

// View is a look at the running process.
type View struct {
	Ledger Reader
	Config *Config             // the configuration of the component's own graph
	Own    prometheus.Gatherer // our own metrics, as /metrics has them; nil where nothing serves them
	// Components are the components of that graph, after it was built. Who asks looks for what they tell by a method.
	Components func() []any
}

// Serve serves h, on the connections that the graph before this one left on that address when their terms are the
// same, else on a listener that Listen opens.
func (s Settings) Serve(ctx context.Context, h listen.HTTP) (*listen.Serving, error) {
	return s.Listeners.Serve(ctx, s.Log, s.Listen, h)
}

// Name is how logs and metrics call the component: kind and id, as in "exporter/otlp_http".
func (s Settings) Name() string { return string(s.Kind) + "/" + s.ID.String() }

// LibraryLog is the component's log for the libraries under it. What a library calls information, such as each
// step of opening its files, is detail to our users and goes to debug; warnings and errors stay.
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
