package tempo

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
)

// readMetrics is the cost of an answer. Tempo counts blocks and jobs; here a request is one job.
type readMetrics struct {
	InspectedTraces int    `json:"inspectedTraces,omitempty"`
	InspectedSpans  string `json:"inspectedSpans,omitempty"`
	InspectedBytes  string `json:"inspectedBytes"`
	CompletedJobs   int    `json:"completedJobs"`
	TotalJobs       int    `json:"totalJobs"`
}

// An extent marks an incomplete answer as Tempo does for traces. Grafana ignores it.
type extent struct {
	Status  string `json:"status,omitempty"`
	Message string `json:"message,omitempty"`
}

func extentOf(c traceql.Cost) extent {
	if c.Partial == "" {
		return extent{}
	}
	return extent{"PARTIAL", c.Partial}
}

func metricsOf(c traceql.Cost) readMetrics {
	return readMetrics{c.Traces, strconv.Itoa(c.Spans), strconv.FormatInt(c.Bytes, 10), 1, 1}
}

func (a *api) serveSearch(w http.ResponseWriter, r *http.Request) error {
	var q traceql.Search
	var err error
	if q.Window, err = windowParam(r); err != nil {
		return err
	}
	if q.Limit, err = intParam(r, "limit", defaultTraces, maxTraces); err != nil {
		return err
	}
	spss, err := intParam(r, "spss", defaultSpans, maxSpans)
	if err != nil {
		return err
	}
	if q.Query, err = queryParam(r); err != nil {
		return err
	}
	found := []foundTrace{}
	cost, err := a.reader.Search(r.Context(), q, func(m traceql.Match) {
		f := newFoundTrace(m)
		f.addSpans(q.Query, m.Spans, spss)
		found = append(found, f)
	})
	if err != nil {
		return err
	}
	slices.SortFunc(found, func(a, b foundTrace) int {
		return cmp.Or(cmp.Compare(b.from, a.from), strings.Compare(a.TraceID, b.TraceID))
	})
	return writeJSON(w, struct {
		Traces  []foundTrace `json:"traces"`
		Metrics readMetrics  `json:"metrics"`
		extent
	}{found, metricsOf(cost), extentOf(cost)})
}
