package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// apiPrefix is where the API is mounted.
const apiPrefix = "/api/v1"

// prometheusVersion is what clients are told the API is: the version of the library. A test holds it to go.mod.
const prometheusVersion = "3.13.2"

var (
	errNoScraping = errors.New("the store scrapes nothing; the receivers do")
	errReadOnly   = errors.New("the API of the store is read-only")
)

// served are the endpoints of Prometheus' API that the store answers, each with what may follow it. What writes,
// deletes or subscribes is not among them.
var served = map[string]bool{
	"query": true, "query_range": true, "query_exemplars": true, "format_query": true, "parse_query": true,
	"series": true, "labels": true, "label": true, "metadata": true,
	"rules": true, "alerts": true, "alertmanagers": true, "targets": true, "scrape_pools": true,
	"status": true,
}

// newHandler serves the API. It is made with the first request: a store that is only written to does without.
func newHandler(s *Store) http.Handler {
	api := sync.OnceValue(func() http.Handler { return newAPI(s) })
	return guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api().ServeHTTP(w, r) }))
}

// newAPI wraps Prometheus' own API. This is the only place that knows its constructor, whose arguments change with
// every release.
func newAPI(s *Store) http.Handler {
	none, metadata := targets{}, newMetadataTarget(&s.families)
	api := v1.NewAPI(
		s.engine,
		s.db,     // queryable
		nil, nil, // appendables: write endpoints are off
		s.db, // exemplars
		func(context.Context) v1.ScrapePoolsRetriever { return none },
		func(ctx context.Context) v1.TargetRetriever {
			if ctx.Value(metadataKey{}) != nil {
				return metadata
			}
			return none
		},
		func(context.Context) v1.AlertmanagerRetriever { return noAlertmanagers{} },
		s.prometheusConfig,
		map[string]string{"storage.tsdb.retention.time": s.options.Retention.String()},
		v1.GlobalURLOptions{Scheme: "http"},
		func(f http.HandlerFunc) http.HandlerFunc { return f }, // Open returns when the store is ready
		admin{s},
		s.dir,
		false, false, 0, // admin, search
		s.settings.LibraryLog(),
		func(context.Context) v1.RulesRetriever { return ruleList{s.rules} },
		0, 1, 1, // remote read
		false,                    // not an agent
		regexp.MustCompile(`a^`), // no origin but our own
		s.runtimeInfo,
		&v1.PrometheusVersion{
			Version: prometheusVersion, Revision: s.settings.Version, Branch: "sluice", GoVersion: runtime.Version(),
		},
		nil, nil, // notifications
		s.registry, prometheus.NewRegistry(), // the second is for endpoints that are not served
		nil,        // statistics as they are
		false, nil, // remote write
		false, false, false, // OTLP
		false, // start timestamps as zero samples
		lookback,
		false, false, // type and unit labels, metadata in remote write
		nil, nil,
		v1.OpenAPIOptions{IncludePaths: []string{"/none"}}, // its specification is not served, and costs 60 MB of garbage to write
		s.parser,
	)
	router := route.New().WithPrefix(apiPrefix)
	api.Register(router)
	return router
}

// metadataKey marks the requests for which the target that stands for all metadata is there.
type metadataKey struct{}

// guard lets the served endpoints through and keeps browsers of other sites out.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		rest, ok := strings.CutPrefix(r.URL.Path, apiPrefix+"/")
		endpoint, _, _ := strings.Cut(rest, "/")
		if !ok || !served[endpoint] {
			fail(w, http.StatusNotFound, "not_found", "the embedded store does not serve this endpoint")
			return
		}
		if err := checkForm(w, r); err != nil {
			fail(w, http.StatusBadRequest, "bad_data", err.Error())
			return
		}
		if endpoint == "metadata" {
			r = r.WithContext(context.WithValue(r.Context(), metadataKey{}, true))
		}
		next.ServeHTTP(w, r)
	})
}

// fail answers in the words of Prometheus' API.
func fail(w http.ResponseWriter, code int, kind, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error is the client's, who is gone.
	_ = json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": text})
}

// ruleList is a rule manager to the API.
type ruleList struct{ *rules.Manager }

// noAlertmanagers says that alerts are sent to nobody.
type noAlertmanagers struct{}

// Alertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) Alertmanagers() []*url.URL { return nil }

// DroppedAlertmanagers implements v1.AlertmanagerRetriever.
func (noAlertmanagers) DroppedAlertmanagers() []*url.URL { return nil }

// admin is the TSDB to the API: its statistics, and none of what changes it.
type admin struct{ store *Store }

// CleanTombstones implements v1.TSDBAdminStats.
func (admin) CleanTombstones() error { return errReadOnly }

// Delete implements v1.TSDBAdminStats.
func (admin) Delete(context.Context, int64, int64, ...*labels.Matcher) error { return errReadOnly }

// Snapshot implements v1.TSDBAdminStats.
func (admin) Snapshot(string, bool) error { return errReadOnly }

// Stats implements v1.TSDBAdminStats.
func (a admin) Stats(label string, limit int) (*tsdb.Stats, error) {
	return a.store.db.Head().Stats(label, limit), nil
}

// WALReplayStatus implements v1.TSDBAdminStats.
func (admin) WALReplayStatus() (tsdb.WALReplayStatus, error) { return tsdb.WALReplayStatus{}, nil }

// BlockMetas implements v1.TSDBAdminStats.
func (a admin) BlockMetas() ([]tsdb.BlockMeta, error) { return a.store.db.BlockMetas(), nil }

// prometheusConfig is what status/config shows.
func (s *Store) prometheusConfig() config.Config {
	c := config.DefaultConfig
	c.GlobalConfig.EvaluationInterval = model.Duration(s.options.EvaluationInterval)
	c.RuleFiles = s.options.RuleFiles
	return c
}

// runtimeInfo is what status/runtimeinfo shows.
func (s *Store) runtimeInfo() (v1.RuntimeInfo, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return v1.RuntimeInfo{
		StartTime: s.opened, ServerTime: time.Now(), Hostname: host, CWD: s.dir,
		ReloadConfigSuccess: true, LastConfigTime: s.opened,
		GoroutineCount: runtime.NumGoroutine(), GOMAXPROCS: runtime.GOMAXPROCS(0), GOMEMLIMIT: debug.SetMemoryLimit(-1),
		GOGC: os.Getenv("GOGC"), GODEBUG: os.Getenv("GODEBUG"),
		StorageRetention: s.options.Retention.String(),
	}, nil
}
