package tempo

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/store/traces/traceql"
)

// tagScanParam parses the parameters of the tag endpoints. As in Tempo, an invalid q is ignored: editors send
// unfinished queries.
func tagScanParam(r *http.Request) (q traceql.TagScan, err error) {
	if q.Window, err = windowParam(r); err != nil {
		return q, err
	}
	if q.Limit, err = intParam(r, "limit", defaultTags, maxTags); err != nil {
		return q, err
	}
	if q.Filter, err = traceql.Parse(r.FormValue("q")); err != nil {
		q.Filter, err = traceql.Parse("")
	}
	return q, err
}

// scopes are the supported values of scope; none means all. Events, links and instrumentation scopes are not
// searched.
var scopes = []string{"resource", "span", "intrinsic"}

type scopeTags struct {
	Name string   `json:"name"`
	Tags []string `json:"tags"`
}

// tagsOf collects the tags of the requested scope.
func (a *api) tagsOf(r *http.Request) ([]scopeTags, traceql.Cost, error) {
	q, err := tagScanParam(r)
	if err != nil {
		return nil, traceql.Cost{}, err
	}
	scope := r.FormValue("scope")
	if scope != "" && scope != "all" && scope != "none" && !slices.Contains(scopes, scope) {
		return nil, traceql.Cost{}, badRequest("scope=%s is not supported; write one of %s", scope, strings.Join(scopes, ", "))
	}
	asked := func(name string) bool { return scope == name || !slices.Contains(scopes, scope) }
	list := []scopeTags{}
	var cost traceql.Cost
	if asked("resource") || asked("span") {
		var n traceql.Tags
		if n, cost, err = a.reader.Tags(r.Context(), q); err != nil {
			return nil, cost, err
		}
		if asked("resource") {
			slices.Sort(n.Resource)
			list = append(list, scopeTags{"resource", n.Resource})
		}
		if asked("span") {
			slices.Sort(n.Span)
			list = append(list, scopeTags{"span", n.Span})
		}
	}
	if asked("intrinsic") {
		names := traceql.IntrinsicNames()
		slices.Sort(names)
		list = append(list, scopeTags{"intrinsic", names})
	}
	return list, cost, nil
}

func (a *api) serveTagsV2(w http.ResponseWriter, r *http.Request) error {
	list, cost, err := a.tagsOf(r)
	if err != nil {
		return err
	}
	return writeJSON(w, struct {
		Scopes  []scopeTags `json:"scopes"`
		Metrics readMetrics `json:"metrics"`
		extent
	}{list, metricsOf(cost), extentOf(cost)})
}

// serveTagsV1 has no scopes; it includes intrinsics only on request.
func (a *api) serveTagsV1(w http.ResponseWriter, r *http.Request) error {
	list, cost, err := a.tagsOf(r)
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
		extent
	}{slices.Sorted(maps.Keys(all)), metricsOf(cost), extentOf(cost)})
}

type tagValue struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

// tagParam returns the tag in the path, which Grafana escapes twice.
func tagParam(r *http.Request) string {
	tag := r.PathValue("tag")
	if once, err := url.PathUnescape(tag); err == nil {
		return once
	}
	return tag
}

func (a *api) serveTagValuesV2(w http.ResponseWriter, r *http.Request) error {
	q, err := tagScanParam(r)
	if err != nil {
		return err
	}
	field, err := traceql.ParseField(tagParam(r))
	if err != nil {
		return badRequest("%s", err)
	}
	values, cost, err := a.reader.TagValues(r.Context(), q, field)
	if err != nil {
		return err
	}
	list := make([]tagValue, len(values))
	for i, v := range values {
		list[i] = tagValue{v.Type, v.Value}
	}
	return writeJSON(w, struct {
		TagValues []tagValue  `json:"tagValues"`
		Metrics   readMetrics `json:"metrics"`
		extent
	}{list, metricsOf(cost), extentOf(cost)})
}

// serveTagValuesV1 takes names without scope.
func (a *api) serveTagValuesV1(w http.ResponseWriter, r *http.Request) error {
	q, err := tagScanParam(r)
	if err != nil {
		return err
	}
	values, cost, err := a.reader.TagValues(r.Context(), q, traceql.TagField(tagParam(r)))
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
		extent
	}{slices.Compact(texts), metricsOf(cost), extentOf(cost)})
}
