package traces

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
)

// readMetrics tells what an answer cost. Tempo counts blocks and jobs; here a request is one job.
type readMetrics struct {
	InspectedTraces int    `json:"inspectedTraces,omitempty"`
	InspectedSpans  string `json:"inspectedSpans,omitempty"`
	InspectedBytes  string `json:"inspectedBytes"`
	CompletedJobs   int    `json:"completedJobs"`
	TotalJobs       int    `json:"totalJobs"`
}

func (c inspected) metrics() readMetrics {
	return readMetrics{c.traces, strconv.Itoa(c.spans), strconv.FormatInt(c.bytes, 10), 1, 1}
}

func (s *Store) serveSearch(w http.ResponseWriter, r *http.Request) error {
	var q search
	var err error
	if q.window, err = s.windowParam(r); err != nil {
		return err
	}
	if q.limit, err = intParam(r, "limit", defaultTraces, maxTraces); err != nil {
		return err
	}
	if q.spss, err = intParam(r, "spss", defaultSpans, maxSpans); err != nil {
		return err
	}
	if q.query, err = queryParam(r); err != nil {
		return err
	}
	found, cost, err := s.search(r.Context(), q)
	if err != nil {
		return err
	}
	if found == nil {
		found = []foundTrace{}
	}
	return writeJSON(w, struct {
		Traces  []foundTrace `json:"traces"`
		Metrics readMetrics  `json:"metrics"`
	}{found, cost.metrics()})
}

// tagScanParam reads what the four tag endpoints share. A q that cannot be read is left out, as in Tempo: editors
// send what is half written, and completion then offers everything.
func (s *Store) tagScanParam(r *http.Request) (q tagScan, err error) {
	if q.window, err = s.windowParam(r); err != nil {
		return q, err
	}
	if q.limit, err = intParam(r, "limit", defaultTags, maxTags); err != nil {
		return q, err
	}
	if q.filter, err = traceql.Parse(r.FormValue("q")); err != nil {
		q.filter, err = traceql.Parse("")
	}
	return q, err
}

// scopes are the values of the scope parameter that name a scope; without one all are meant. Events, links and
// instrumentation scopes are not searched.
var scopes = []string{"resource", "span", "intrinsic"}

// A scopeTags is a scope with its tags.
type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// tagsOf collects the tags of the scope that a request asks for.
func (s *Store) tagsOf(r *http.Request) ([]scopeTags, inspected, error) {
	q, err := s.tagScanParam(r)
	if err != nil {
		return nil, inspected{}, err
	}
	scope := r.FormValue("scope")
	if scope != "" && scope != "all" && scope != "none" && !slices.Contains(scopes, scope) {
		return nil, inspected{}, badRequest("scope=%s is not supported; write one of %s", scope, strings.Join(scopes, ", "))
	}
	asked := func(name string) bool { return scope == name || !slices.Contains(scopes, scope) }
	list := []scopeTags{}
	var cost inspected
	if asked("resource") || asked("span") {
		var n tagNames
		if n, cost, err = s.names(r.Context(), q); err != nil {
			return nil, cost, err
		}
		if asked("resource") {
			list = append(list, scopeTags{"resource", slices.Sorted(maps.Keys(n.resource.keys))})
		}
		if asked("span") {
			list = append(list, scopeTags{"span", slices.Sorted(maps.Keys(n.span.keys))})
		}
	}
	if asked("intrinsic") {
		names := traceql.IntrinsicNames()
		slices.Sort(names)
		list = append(list, scopeTags{"intrinsic", names})
	}
	return list, cost, nil
}

func (s *Store) serveTagsV2(w http.ResponseWriter, r *http.Request) error {
	list, cost, err := s.tagsOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Scopes  []scopeTags `json:"scopes"`
		Metrics readMetrics `json:"metrics"`
	}{list, cost.metrics()})
}

// serveTagsV1 answers without scopes; intrinsics are in it only when they are asked for.
func (s *Store) serveTagsV1(w http.ResponseWriter, r *http.Request) error {
	list, cost, err := s.tagsOf(r)
	if err != nil {
		return err
	}
	all := map[string]struct{}{}
	for _, of := range list {
		if of.Name == "intrinsic" && r.FormValue("scope") != "intrinsic" {
			continue
		}
		for _, tag := range of.Tags {
			all[tag] = struct{}{}
		}
	}
	return writeJSON(w, struct {
		TagNames []string    `json:"tagNames"`
		Metrics  readMetrics `json:"metrics"`
	}{slices.Sorted(maps.Keys(all)), cost.metrics()})
}

// tagParam returns the tag of the path. Grafana escapes it twice.
func tagParam(r *http.Request) string {
	tag := r.PathValue("tag")
	if once, err := url.PathUnescape(tag); err == nil {
		return once
	}
	return tag
}

func (s *Store) serveTagValuesV2(w http.ResponseWriter, r *http.Request) error {
	q, err := s.tagScanParam(r)
	if err != nil {
		return err
	}
	field, err := traceql.ParseField(tagParam(r))
	if err != nil {
		return badRequest("%s", err)
	}
	values, cost, err := s.values(r.Context(), q, field)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		TagValues []tagValue  `json:"tagValues"`
		Metrics   readMetrics `json:"metrics"`
	}{values, cost.metrics()})
}

// serveTagValuesV1 takes names without scope: service.name, or an intrinsic.
func (s *Store) serveTagValuesV1(w http.ResponseWriter, r *http.Request) error {
	q, err := s.tagScanParam(r)
	if err != nil {
		return err
	}
	values, cost, err := s.values(r.Context(), q, traceql.TagField(tagParam(r)))
	if err != nil {
		return err
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Value
	}
	slices.Sort(texts)
	return writeJSON(w, struct {
		TagValues []string    `json:"tagValues"`
		Metrics   readMetrics `json:"metrics"`
	}{slices.Compact(texts), cost.metrics()})
}
