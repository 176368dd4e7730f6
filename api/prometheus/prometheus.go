// Package prometheus serves Prometheus' HTTP API with its own handlers over a [Reader], with a list of endpoints,
// limits on requests and protection from other sites.
package prometheus

import (
	"context"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/grafana/regexp"
	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/sluiceio/sluice/pipeline"
)

const apiPrefix = "/api/v1"

// libraryVersion is the version that clients see. A test compares it with go.mod.
const libraryVersion = "3.13.2"

// A Reader is a metric store, in Prometheus' types.
type Reader interface {
	storage.SampleAndChunkQueryable
	storage.ExemplarQueryable
	// Engine evaluates PromQL within limits.
	Engine() promql.QueryEngine
	// Rules has the running rules and their alerts.
	Rules() *rules.Manager
	// Family and Families return metadata, of one family and of all by name.
	Family(name string) (metadata.Metadata, bool)
	Families() map[string]metadata.Metadata
	// Stats, BlockMetas and Gatherer are for status/tsdb.
	Stats(label string, limit int) *tsdb.Stats
	BlockMetas() []tsdb.BlockMeta
	Gatherer() client.Gatherer
}

// New makes the handler of the paths below /api/v1/. The API is created by the first request, to save its memory.
func New(settings pipeline.Settings, r Reader, s Status) http.Handler {
	opened := time.Now()
	api := sync.OnceValue(func() http.Handler { return newAPI(settings, r, s, opened) })
	return guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { api().ServeHTTP(w, r) }))
}

// newAPI alone knows Prometheus' constructor, whose arguments change with every release.
func newAPI(settings pipeline.Settings, r Reader, s Status, opened time.Time) http.Handler {
	if s.Scrapers == nil {
		s.Scrapers = func() []Scraper { return nil }
	}
	targets, metadata := scraped{s.Scrapers}, newMetadataTarget(families{r})
	api := v1.NewAPI(
		r.Engine(),
		r,        // queryable
		nil, nil, // appendables: write endpoints are off
		r, // exemplars
		func(context.Context) v1.ScrapePoolsRetriever { return targets },
		func(ctx context.Context) v1.TargetRetriever {
			if ctx.Value(metadataKey{}) != nil {
				return metadata
			}
			return targets
		},
		func(context.Context) v1.AlertmanagerRetriever { return noAlertmanagers{} },
		s.config,
		map[string]string{"storage.tsdb.retention.time": s.Retention.String()},
		v1.GlobalURLOptions{Scheme: "http"},
		func(f http.HandlerFunc) http.HandlerFunc { return f }, // the store is open: it is ready
		admin{r},
		s.Dir,
		false, false, 0, // admin, search
		settings.LibraryLog(),
		func(context.Context) v1.RulesRetriever { return r.Rules() },
		0, 1, 1, // remote read
		false,                    // not an agent
		regexp.MustCompile(`a^`), // no origin but our own
		func() (v1.RuntimeInfo, error) { return s.runtimeInfo(opened) },
		&v1.PrometheusVersion{
			Version: libraryVersion, Revision: settings.Version, Branch: "sluice", GoVersion: runtime.Version(),
		},
		nil, nil, // notifications
		r.Gatherer(), client.NewRegistry(), // the second is for endpoints that are not served
		nil,        // statistics as they are
		false, nil, // remote write
		false, false, false, // OTLP
		false, // start timestamps as zero samples
		s.Lookback,
		false, false, // type and unit labels, metadata in remote write
		nil, nil,
		v1.OpenAPIOptions{IncludePaths: []string{"/none"}}, // its specification is not served, and costs 60 MB of garbage to write
		parser.NewParser(parser.Options{}),
	)
	router := route.New().WithPrefix(apiPrefix)
	api.Register(router)
	return router
}
