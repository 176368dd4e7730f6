// Command promscrape is a peer: Prometheus' scrape manager with an appender that only counts. It serves the count on the
// address in the second argument.
package main

import (
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"

	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
)

// counter is an appendable that only counts samples.
type counter struct {
	samples atomic.Int64
	refs    atomic.Uint64
}

func (c *counter) AppenderV2(context.Context) storage.AppenderV2 { return (*appender)(c) }

type appender counter

// Append gives every new series a reference, like a TSDB, so that the scrape loop's cache works.
func (a *appender) Append(ref storage.SeriesRef, _ labels.Labels, _, _ int64, _ float64, _ *histogram.Histogram, _ *histogram.FloatHistogram, _ storage.AppendV2Options) (storage.SeriesRef, error) {
	a.samples.Add(1)
	if ref == 0 {
		ref = storage.SeriesRef(a.refs.Add(1))
	}
	return ref, nil
}

func (a *appender) Commit() error   { return nil }
func (a *appender) Rollback() error { return nil }

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: promscrape CONFIG ADDRESS")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	cfg, err := config.Load(string(text), slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	c := &counter{}
	m, err := scrape.NewManager(&scrape.Options{}, nil, nil, nil, c, prometheus.NewRegistry())
	if err != nil {
		log.Fatal(err)
	}
	if err := m.ApplyConfig(cfg); err != nil {
		log.Fatal(err)
	}
	go http.ListenAndServe(os.Args[2], http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, c.samples.Load())
	}))
	sets := make(chan map[string][]*targetgroup.Group, 1)
	sets <- groups(cfg)
	log.Fatal(m.Run(sets))
}

// groups returns the static targets of the configuration.
func groups(cfg *config.Config) map[string][]*targetgroup.Group {
	out := map[string][]*targetgroup.Group{}
	for _, sc := range cfg.ScrapeConfigs {
		for _, sd := range sc.ServiceDiscoveryConfigs {
			if static, ok := sd.(discovery.StaticConfig); ok {
				out[sc.JobName] = append(out[sc.JobName], static...)
			}
		}
	}
	return out
}
