package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	promscrape "github.com/prometheus/prometheus/scrape"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/osutil"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire/prom"
)

// answer is what the target says to one scrape.
type answer struct {
	typ    string
	body   string
	status int           // 0: 200
	hang   time.Duration // before the answer
	gzip   bool
	slow   bool // the body comes in two halves, longer apart than the timeout
	broken bool // the connection is closed in the middle
}

// pipeNet is a network of one server in the memory of a synctest bubble.
type pipeNet struct{ conns chan net.Conn }

func newPipeNet() *pipeNet { return &pipeNet{conns: make(chan net.Conn)} }

func (p *pipeNet) Accept() (net.Conn, error) {
	c, ok := <-p.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (p *pipeNet) Close() error   { close(p.conns); return nil }
func (p *pipeNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

func (p *pipeNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case p.conns <- b:
		return a, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve answers scrape i with answers[i], and 503 after the last.
func (p *pipeNet) serve(answers []answer) *http.Server {
	var mu sync.Mutex
	i := 0
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		a := answer{status: 503}
		if i < len(answers) {
			a = answers[i]
		}
		i++
		mu.Unlock()
		select {
		case <-time.After(a.hang):
		case <-r.Context().Done():
			return
		}
		if a.typ != "" {
			w.Header().Set("Content-Type", a.typ)
		} else {
			w.Header()["Content-Type"] = nil
		}
		if a.status != 0 {
			w.WriteHeader(a.status)
			return
		}
		body := []byte(a.body)
		if a.gzip {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(body)
			_ = z.Close()
			return
		}
		if a.slow || a.broken {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body[:len(body)/2])
			w.(http.Flusher).Flush()
			if a.broken {
				panic(http.ErrAbortHandler)
			}
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = w.Write(body)
	}), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = s.Serve(p) }()
	return s
}

// scraped is one sample; ms is relative to the scrape's own time unless the sample bears one of its own.
type scraped struct {
	series string
	bits   uint64
	ms     int64
}

// round is what one scrape wrote.
type round struct {
	at      time.Time
	samples []scraped
}

// tidy makes rounds comparable: sorted, without repeated samples, with relative times and without the values of durations.
func tidy(rounds []round) (out []string) {
	for i, r := range rounds {
		seen := map[string]bool{}
		var lines []string
		for _, s := range r.samples {
			t := fmt.Sprint(s.ms)
			if d := s.ms - r.at.UnixMilli(); d > -3600_000 && d < 3600_000 {
				t = fmt.Sprintf("now%+d", d)
			}
			if seen[s.series+t] {
				continue
			}
			seen[s.series+t] = true
			v := fmt.Sprintf("%v (%x)", math.Float64frombits(s.bits), s.bits)
			switch {
			case s.bits == value.StaleNaN:
				v = "stale"
			case strings.Contains(s.series, `__name__="scrape_duration_seconds"`):
				v = "some"
			}
			lines = append(lines, fmt.Sprintf("%d %s %s %s", i, s.series, t, v))
		}
		sort.Strings(lines)
		out = append(out, lines...)
	}
	return out
}

// recordingStorage is a storage that keeps what was committed, one round a scrape.
type recordingStorage struct {
	mu     sync.Mutex
	rounds []round
}

func (s *recordingStorage) AppenderV2(context.Context) storage.AppenderV2 {
	return &recordingAppender{s: s}
}

type recordingAppender struct {
	s       *recordingStorage
	samples []scraped
	refs    map[string]storage.SeriesRef
}

func (a *recordingAppender) Append(_ storage.SeriesRef, ls labels.Labels, _, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, _ storage.AOptions) (storage.SeriesRef, error) {
	if h != nil || fh != nil {
		panic("native histogram in a text exposition")
	}
	a.samples = append(a.samples, scraped{ls.String(), math.Float64bits(v), t})
	return storage.SeriesRef(labels.StableHash(ls)) | 1, nil
}

func (a *recordingAppender) Commit() error {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if len(a.samples) > 0 {
		a.s.rounds = append(a.s.rounds, round{samples: a.samples})
	}
	return nil
}
func (a *recordingAppender) Rollback() error { a.samples = nil; return nil }

// stampRounds finds the time of each round, which is that of its sample of up.
func stampRounds(rounds []round) []round {
	for i := range rounds {
		for _, s := range rounds[i].samples {
			if strings.Contains(s.series, `__name__="up"`) {
				rounds[i].at = time.UnixMilli(s.ms)
			}
		}
	}
	return rounds
}

const identityTarget = "10.9.8.7:9100"

// world is one scrape config and what its target says.
type world struct {
	job     string // YAML below the job's name and target
	global  string
	answers []answer
	leave   bool // the target leaves after the last answer, and is waited for
}

func (w world) yaml() string {
	g := w.global
	if g == "" {
		g = "scrape_interval: 10s\n  scrape_timeout: 5s"
	}
	return "global:\n  " + g + "\nscrape_configs:\n- job_name: j\n  static_configs:\n  - targets: ['" + identityTarget + "']\n    labels: {zone: a}\n" + w.job
}

// throughPrometheus is what Prometheus' scrape manager appends.
func (w world) throughPrometheus(t *testing.T) []round {
	store := &recordingStorage{}
	synctest.Test(t, func(t *testing.T) {
		network := newPipeNet()
		server := network.serve(w.answers)
		m, err := promscrape.NewManager(&promscrape.Options{
			DiscoveryReloadOnStartup: true,
			HTTPClientOptions:        []commonconfig.HTTPClientOption{commonconfig.WithDialContextFunc(network.dial)},
		}, slog.New(slog.DiscardHandler), nil, nil, store, prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(w.yaml(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cfg.ScrapeConfigs {
			if c.ScrapeFallbackProtocol == "" {
				c.ScrapeFallbackProtocol = config.PrometheusText0_0_4 // the default of the Collector's receiver
			}
		}
		if err := m.ApplyConfig(cfg); err != nil {
			t.Fatal(err)
		}
		sets := make(chan map[string][]*targetgroup.Group)
		go func() { _ = m.Run(sets) }()
		group := &targetgroup.Group{
			Source:  "0",
			Targets: []model.LabelSet{{model.AddressLabel: identityTarget}},
			Labels:  model.LabelSet{"zone": "a"},
		}
		sets <- map[string][]*targetgroup.Group{"j": {group}}
		time.Sleep(time.Duration(len(w.answers)) * 10 * time.Second)
		for i := 0; w.leave && i < 2; i++ {
			sets <- map[string][]*targetgroup.Group{"j": {}}
			time.Sleep(time.Minute)
		}
		m.Stop()
		_ = server.Close()
		time.Sleep(time.Minute)
	})
	return stampRounds(store.rounds)
}

// throughSluice is what our receiver sends, read as the store reads it.
func (w world) throughSluice(t *testing.T) (rounds []round) {
	synctest.Test(t, func(t *testing.T) {
		network := newPipeNet()
		server := network.serve(w.answers)
		var section map[string]any
		if err := yaml.Unmarshal([]byte(w.yaml()), &section); err != nil {
			t.Fatal(err)
		}
		cfg := Default()
		cfg.Config = section
		if err := cfg.Validate(); err != nil {
			t.Fatal(err)
		}
		tr := prom.New(prom.DefaultConfig())
		sink := pipeline.SinkFunc(func(_ context.Context, b pipeline.Batch) error {
			var r round
			n := 0
			if _, err := tr.Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
				l := map[string]string{}
				for c := s.Labels.Cursor(); c.Next(); {
					l[string(c.Name)] = string(c.Value)
				}
				r.samples = append(r.samples, scraped{labels.FromMap(l).String(), math.Float64bits(s.Value), s.Time})
				n = max(n, s.Point+1)
				return nil
			})); err != nil {
				t.Error(err)
			}
			if n != b.Items {
				t.Errorf("batch of %d items has %d points", b.Items, n)
			}
			rounds = append(rounds, r)
			return nil
		})
		settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
		settings.Log = slog.New(slog.DiscardHandler)
		r, err := newReceiver(settings, cfg, pipeline.OutputsTo(sink, pipeline.Metrics), network.dial)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(len(w.answers)) * 10 * time.Second)
		if w.leave {
			r.jobs["j"].sync(nil)
			time.Sleep(2 * time.Minute)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
		time.Sleep(time.Minute)
	})
	return stampRounds(rounds)
}

// TestIdentity: the same answers through Prometheus' scrape manager and through us give equal series and samples,
// stale markers and synthetic series included.
func TestIdentity(t *testing.T) {
	// The scrape manager resolves the host's name, and the resolver of package net keeps channels from its first use:
	// they must not belong to a bubble.
	_, _ = osutil.GetFQDN()
	_, _ = net.LookupAddr("127.0.0.1")
	f := func(name string, w world) {
		t.Run(name, func(t *testing.T) {
			want, got := tidy(w.throughPrometheus(t)), tidy(w.throughSluice(t))
			t.Logf("%d samples in %d answers", len(want), len(w.answers))
			if len(want) == 0 {
				t.Fatal("Prometheus appended nothing")
			}
			for _, l := range want {
				if !slices.Contains(got, l) {
					t.Errorf("- %s", l)
				}
			}
			for _, l := range got {
				if !slices.Contains(want, l) {
					t.Errorf("+ %s", l)
				}
			}
		})
	}
	for name, w := range worlds(t) {
		f(name, w)
	}
}

const (
	textType = "text/plain; version=0.0.4; charset=utf-8"
	openType = "application/openmetrics-text; version=1.0.0; charset=utf-8"
)
