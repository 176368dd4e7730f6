// Package status says how a process is, in one line for each component and signal: rates, what waits, what was lost
// in the last hour, and the last error.
package status

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
)

const (
	rateOver  = 10 * time.Second
	lossOver  = time.Hour
	stuckFrom = time.Minute // a destination that takes nothing for so long blocks
)

// The states of an edge.
const (
	OK       = "ok"
	Retrying = "retrying" // the last attempt was refused; what waits is sent again
	Blocked  = "blocked"  // the queue is full, or nothing was taken for a minute and something waits
)

// An Edge is a component and signal.
type Edge struct {
	Component string `json:"component"`
	Pipeline  string `json:"pipeline,omitempty"`
	Signal    string `json:"signal"`
	State     string `json:"state"`

	In  float64 `json:"in_items_per_second"`  // over the last 10 s
	Out float64 `json:"out_items_per_second"` // of an exporter: what the destination confirmed

	Held   int64 `json:"held_items"`
	Stored int64 `json:"stored_items"` // in the queue on disk
	// StoredBytes are of OTLP, before compression.
	StoredBytes int64   `json:"stored_bytes"`
	Oldest      float64 `json:"oldest_unsent_seconds,omitempty"` // of the exporter's queue
	// UntilFull is missing while the queue does not grow.
	UntilFull *float64 `json:"queue_seconds_until_full,omitempty"`
	Stalled   bool     `json:"queue_stalled,omitempty"`       // something is stored, and nothing has left for a minute
	Letters   int64    `json:"dead_letter_records,omitempty"` // of the exporter, all signals

	// Of the last hour, or since the start.
	Dropped  int64                     `json:"dropped_items_last_hour"`
	Reasons  map[pipeline.Reason]int64 `json:"dropped_items_last_hour_by_reason,omitempty"`
	Refused  int64                     `json:"refused_items_last_hour"`
	Error    string                    `json:"last_error,omitempty"`
	ErrorAge float64                   `json:"last_error_seconds_ago,omitempty"`
	Since    float64                   `json:"nothing_taken_for_seconds,omitempty"`
}

// A Status is all edges, as they are on the way of the data.
type Status struct {
	Version     string  `json:"version"`
	State       string  `json:"state"`
	Uptime      float64 `json:"uptime_seconds"`
	Unaccounted int64   `json:"unaccounted_items"`
	Orphans     int     `json:"queue_orphans"`
	Edges       []Edge  `json:"edges"`
}

type key struct {
	component, pipeline string
	signal              pipeline.Signal
}

func keyOf(s pipeline.Statement) key { return key{s.Component, s.Pipeline, s.Signal} }

type counts struct {
	in, out, refused int64
	dropped          map[pipeline.Reason]pipeline.Amount
}

func countsOf(s pipeline.Statement) counts {
	c := counts{in: s.In.Items, out: s.Out.Items, refused: s.Refused.Items, dropped: s.Dropped}
	if s.Kind == pipeline.KindExporter {
		c.out = s.Delivered.Items
	}
	return c
}

type sample struct {
	at    time.Time
	edges map[key]counts
}

// A Board remembers what the ledger said, to tell rates.
type Board struct {
	ledger pipeline.Reader
	began  time.Time

	mu      sync.Mutex
	seconds []sample // the oldest first
	minutes []sample
}

// NewBoard makes a Board, which counts from now on.
func NewBoard(ledger pipeline.Reader) *Board {
	b := &Board{ledger: ledger, began: time.Now()}
	b.sample()
	return b
}

// Run looks at the ledger each second until ctx ends.
func (b *Board) Run(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			b.sample()
		case <-ctx.Done():
			return
		}
	}
}

func (b *Board) sample() {
	now := sample{at: time.Now(), edges: map[key]counts{}}
	for _, s := range b.ledger.Read() {
		now.edges[keyOf(s)] = countsOf(s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seconds = since(append(b.seconds, now), now.at.Add(-rateOver))
	if n := len(b.minutes); n == 0 || now.at.Sub(b.minutes[n-1].at) >= time.Minute {
		b.minutes = since(append(b.minutes, now), now.at.Add(-lossOver))
	}
}

// since drops samples that are older than t.
func since(all []sample, t time.Time) []sample {
	return slices.DeleteFunc(all, func(s sample) bool { return s.at.Before(t) })
}

// Edges are those of the configuration. reports are by component.
func (b *Board) Edges(cfg *pipeline.Config, reports map[string]pipeline.Report) []Edge {
	b.mu.Lock()
	short, long := b.seconds[0], b.minutes[0]
	b.mu.Unlock()
	now := time.Now()
	configured := edgesOf(cfg)
	var out []Edge
	var kinds []pipeline.Kind
	for _, s := range b.ledger.Read() {
		k := keyOf(s)
		switch s.Kind {
		case pipeline.KindConnector:
			k = key{component: s.Component}
			fallthrough
		case pipeline.KindProcessor:
			if s.In.Items == 0 {
				continue // perhaps not in the way
			}
		}
		if !configured[k] {
			continue
		}
		e := Edge{
			Component: s.Component, Pipeline: s.Pipeline, Signal: s.Signal.String(), State: OK, Held: s.Held.Items, Stored: s.Stored.Items, StoredBytes: s.Stored.Bytes,
		}
		c, was, hour := countsOf(s), short.edges[keyOf(s)], long.edges[keyOf(s)]
		if d := now.Sub(short.at).Seconds(); d > 0.1 {
			e.In, e.Out = float64(c.in-was.in)/d, float64(c.out-was.out)/d
		}
		e.Refused = c.refused - hour.refused
		for why, d := range c.dropped {
			if n := d.Items - hour.dropped[why].Items; n > 0 {
				if e.Reasons == nil {
					e.Reasons = map[pipeline.Reason]int64{}
				}
				e.Reasons[why] = n
				e.Dropped += n
			}
		}
		switch {
		case c.refused > was.refused && c.out == was.out:
			e.State = Blocked
		case c.refused > was.refused:
			e.State = Retrying
		}
		if r, is := reports[s.Component]; is {
			e.reported(r, now)
		}
		out, kinds = append(out, e), append(kinds, s.Kind)
	}
	return inOrder(out, kinds)
}

// edgesOf are the components and signals that pipelines name, and connectors.
func edgesOf(cfg *pipeline.Config) map[key]bool {
	out := map[key]bool{}
	if cfg == nil {
		return out
	}
	for _, p := range cfg.Pipelines {
		for _, id := range p.Receivers {
			out[key{component: string(pipeline.KindReceiver) + "/" + id.String(), signal: p.Signal}] = true
		}
		for _, id := range p.Processors {
			out[key{string(pipeline.KindProcessor) + "/" + id.String(), p.ID.String(), p.Signal}] = true
		}
		for _, id := range p.Exporters {
			out[key{component: string(pipeline.KindConnector) + "/" + id.String()}] = true
			out[key{component: string(pipeline.KindExporter) + "/" + id.String(), signal: p.Signal}] = true
		}
	}
	return out
}

// reported adds what an exporter says of itself, which is better than what its answers show.
func (e *Edge) reported(r pipeline.Report, now time.Time) {
	e.State = OK
	waits := e.Held > 0 || e.Stored > 0
	if !r.Since.IsZero() {
		e.State = Retrying
		e.Since = now.Sub(r.Since).Seconds()
		if waits && now.Sub(r.Since) >= stuckFrom {
			e.State = Blocked
		}
	}
	if r.Trouble != nil {
		e.Error = r.Trouble.Error()
		if !r.At.IsZero() {
			e.ErrorAge = now.Sub(r.At).Seconds()
		}
	}
	if q := r.Queue; q != nil {
		e.Letters = q.DeadLetters
		if e.Stored > 0 && !q.Oldest.IsZero() {
			e.Oldest = max(now.Sub(q.Oldest).Seconds(), 0)
		}
		if e.Stored > 0 && q.UntilFull >= 0 {
			left := q.UntilFull.Seconds()
			e.UntilFull = &left
		}
		if e.Stalled = e.Stored > 0 && q.Stalled; q.Full || e.Stalled {
			e.State = Blocked
		}
	}
}

// inOrder sorts edges by kind, as data flows, and keeps the order within a kind.
func inOrder(edges []Edge, kinds []pipeline.Kind) []Edge {
	out := []Edge{}
	for _, kind := range []pipeline.Kind{pipeline.KindReceiver, pipeline.KindProcessor, pipeline.KindConnector, pipeline.KindExporter} {
		for i, e := range edges {
			if kinds[i] == kind {
				out = append(out, e)
			}
		}
	}
	return out
}

// Uptime is how long the board exists.
func (b *Board) Uptime() time.Duration { return time.Since(b.began) }
