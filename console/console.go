// Package console is the start page: what runs, live counts, and links.
//
// Names from configuration or telemetry are untrusted: they go through html/template or textContent, and the page may
// run only its own scripts.
package console

import (
	"embed"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

//go:embed page.html static
var files embed.FS

var page = template.Must(template.ParseFS(files, "page.html"))

// Source is what the page reads.
type Source struct {
	View    pipeline.View
	Version string
	Stores  func() []Store
	Ready   func() error // why nothing is stored
}

// Store is one signal's store.
type Store struct {
	Signal string    `json:"signal"`
	Bytes  int64     `json:"bytes"`
	Oldest time.Time `json:"oldest,omitzero"`
}

// Status is /status.json, by which the page refreshes; scripts may poll it.
type Status struct {
	Version     string      `json:"version"`
	Uptime      float64     `json:"uptime_seconds"`
	NotReady    string      `json:"not_ready,omitempty"` // why nothing is stored
	Unaccounted int64       `json:"unaccounted_items"`
	Components  []Component `json:"components"`
	Stores      []Store     `json:"stores"`
}

// Component is one account of the ledger.
type Component struct {
	Name      string `json:"name"`
	Pipeline  string `json:"pipeline,omitempty"`
	Kind      string `json:"kind"`
	Signal    string `json:"signal"`
	In        int64  `json:"in"`
	Out       int64  `json:"out"`
	Refused   int64  `json:"refused"`
	Dropped   int64  `json:"dropped"`
	Held      int64  `json:"held"`
	Delivered int64  `json:"delivered,omitempty"`
}

// pipelineRow is a pipeline on the page.
type pipelineRow struct {
	Name                             string
	Receivers, Processors, Exporters []string
}

type handler struct {
	src     Source
	started time.Time
}

// New makes the handler of /, /status.json and /static/.
func New(src Source) http.Handler {
	h := &handler{src: src, started: time.Now()}
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic("BUG: the embedded files are fixed: " + err.Error())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.page)
	mux.HandleFunc("GET /status.json", h.status)
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	return secured(mux)
}

// secured forbids everything that the page does not need.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	var rows []pipelineRow
	for _, p := range h.src.View.Config.Pipelines {
		rows = append(rows, pipelineRow{p.ID.String(), names(p.Receivers), names(p.Processors), names(p.Exporters)})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	err := page.Execute(w, map[string]any{
		"Version": h.src.Version, "Pipelines": rows, "Origin": "http://" + r.Host, "Status": h.read(),
		"OTLP": otlpEndpoint(h.src.View.Config),
	})
	if err != nil {
		return // the client has gone; there is nobody to tell
	}
}

// otlpEndpoint is the OTLP/HTTP address of the process, from a method of the receiver's configuration, or empty.
func otlpEndpoint(cfg *pipeline.Config) string {
	for _, in := range cfg.Instances {
		if c, ok := in.Config.(interface{ HTTPEndpoint() string }); ok && c.HTTPEndpoint() != "" {
			return c.HTTPEndpoint()
		}
	}
	return ""
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(h.read())
}

// order sorts components in the direction of the data.
func order(a pipeline.Statement) int { return slices.Index(pipeline.Kinds[:], a.Kind) }

func (h *handler) read() Status {
	s := Status{
		Version: h.src.Version, Uptime: time.Since(h.started).Seconds(),
		Unaccounted: h.src.View.Ledger.Unaccounted(), Stores: h.src.Stores(), Components: []Component{},
	}
	if err := h.src.Ready(); err != nil {
		s.NotReady = err.Error()
	}
	accounts := h.src.View.Ledger.Read()
	sort.SliceStable(accounts, func(i, j int) bool { return order(accounts[i]) < order(accounts[j]) })
	for _, a := range accounts {
		if a.In.Items == 0 && a.Kind == pipeline.KindExporter && a.Held.Items == 0 && !h.fed(a) {
			continue // a signal that no pipeline sends to this exporter
		}
		c := Component{
			Name: a.Component, Pipeline: a.Pipeline, Kind: string(a.Kind), Signal: a.Signal.String(),
			In: a.In.Items, Out: a.Out.Items, Refused: a.Refused.Items, Held: a.Held.Items, Delivered: a.Delivered.Items,
		}
		for _, d := range a.Dropped {
			c.Dropped += d.Items
		}
		s.Components = append(s.Components, c)
	}
	return s
}

// fed reports whether a pipeline sends the account's signal to its exporter.
func (h *handler) fed(a pipeline.Statement) bool {
	for _, p := range h.src.View.Config.Pipelines {
		if p.Signal == a.Signal && slices.Contains(names(p.Exporters), strings.TrimPrefix(a.Component, string(pipeline.KindExporter)+"/")) {
			return true
		}
	}
	return false
}

func names(ids []pipeline.ID) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id.String()
	}
	return out
}
