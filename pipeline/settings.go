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

	accounts  *accountSet
	listeners *listen.Listeners // have the HTTP servers of earlier graphs
}

// View is a look at the running process.
type View struct {
	Ledger *Ledger
	Config *Config // the configuration of the component's own graph
}

// Serve serves h, on the connections that the graph before this one left on that address when their terms are the
// same, else on a listener that Listen opens.
func (s Settings) Serve(ctx context.Context, h listen.HTTP) (*listen.Serving, error) {
	return s.listeners.Serve(ctx, s.Log, s.Listen, h)
}

// Drop is the one way to discard records on purpose: n items of b's signal that b's caller will be told were
// taken (nil). bytes is their share of the request, 0 when unknown.
func (s Settings) Drop(why Reason, sig Signal, items, bytes int) {
	s.accounts.drop(why, sig, items, bytes)
}

// Name is how logs and metrics call the component: kind and id, as in "exporter/otlp_http".
func (s Settings) Name() string { return string(s.Kind) + "/" + s.ID.String() }

// Delivered says that a destination confirmed n items. Exporters call it before they answer nil, and also for
// what arrived after its caller had been refused; the ledger holds the nil answers against it.
func (s Settings) Delivered(sig Signal, items, bytes int) {
	s.accounts.delivered(sig, items, bytes)
}

// DeliveredAfterRefusal says that n items reached a destination although their caller was, or will be, told to send them
// again: the bound on duplicates of our making.
func (s Settings) DeliveredAfterRefusal(sig Signal, items int) {
	if d := s.accounts.of(sig); d != nil {
		d.again(items)
	}
}
