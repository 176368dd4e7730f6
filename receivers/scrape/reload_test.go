package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/value"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire/prom"
)

// history keeps the samples of each series, named name{instance}, as "v" or "stale", in order.
type history struct {
	mu  sync.Mutex
	was map[string][]string
}

func (h *history) Consume(_ context.Context, b pipeline.Batch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := prom.New(prom.DefaultConfig()).Walk(b.Request, prom.SinkFunc(func(s *prom.Sample) error {
		var name, instance string
		for c := s.Labels.Cursor(); c.Next(); {
			switch string(c.Name) {
			case "__name__":
				name = string(c.Value)
			case "instance":
				instance = string(c.Value)
			}
		}
		v := fmt.Sprint(s.Value)
		if math.Float64bits(s.Value) == value.StaleNaN {
			v = "stale"
		}
		h.was[name+"{"+instance+"}"] = append(h.was[name+"{"+instance+"}"], v)
		return nil
	}))
	return err
}

func (h *history) markers(series string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.was[series] {
		if v == "stale" {
			n++
		}
	}
	return n
}

func (h *history) last(series string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if was := h.was[series]; len(was) > 0 {
		return was[len(was)-1]
	}
	return "none"
}

// throughReloads runs one configuration after the other for a minute each, as the engine does it in reloads, against
// targets that all expose a and b.
func throughReloads(t *testing.T, texts ...string) *history {
	h := &history{was: map[string][]string{}}
	synctest.Test(t, func(t *testing.T) {
		network := newPipeNet()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", textType)
			_, _ = w.Write([]byte("a 1\nb 2\n"))
		})}
		go func() { _ = server.Serve(network) }()
		settings, _ := pipelinetest.Settings(t, pipeline.KindReceiver, "prometheus")
		settings.Log = slog.New(slog.DiscardHandler)
		settings.Estates.Open()
		for _, text := range texts {
			cfg := Default()
			if err := yaml.Unmarshal([]byte("global: {scrape_interval: 10s}\nscrape_configs:\n"+text), &cfg.Config); err != nil {
				t.Fatal(err)
			}
			settings.Metrics = prometheus.NewRegistry()
			r, err := newReceiver(settings, cfg, pipeline.OutputsTo(h, pipeline.Metrics), network.dial)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := r.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_ = server.Close()
		time.Sleep(time.Minute)
	})
	return h
}

func TestReload(t *testing.T) {
	const (
		one  = "- {job_name: j, static_configs: [{targets: ['one:1']}]}\n"
		both = "- {job_name: j, static_configs: [{targets: ['one:1', 'two:2']}]}\n"
		drop = "- {job_name: j, static_configs: [{targets: ['one:1']}], metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]}\n"
		more = "- {job_name: k, static_configs: [{targets: ['two:2']}]}\n"
	)
	check := func(name string, h *history, markers map[string]int) {
		t.Helper()
		for series, want := range markers {
			if got := h.markers(series); got != want {
				t.Errorf("%s: %s has %d stale markers, want %d: %v", name, series, got, want, h.was[series])
			}
			if gone := want > 0; gone != (h.last(series) == "stale") {
				t.Errorf("%s: %s ends with %s", name, series, h.last(series))
			}
		}
	}
	h := throughReloads(t, both, one)
	check("a target dropped", h, map[string]int{"a{two:2}": 1, "b{two:2}": 1, "up{two:2}": 1, "a{one:1}": 0, "up{one:1}": 0})
	if added := strings.Join(h.was["scrape_series_added{one:1}"], " "); !strings.HasPrefix(added, "2 0") || strings.Count(added, "2") != 1 {
		t.Errorf("the target that stays begins anew: series added %s", added)
	}
	check("a job dropped", throughReloads(t, one+more, one), map[string]int{"a{two:2}": 1, "up{two:2}": 1, "a{one:1}": 0})
	check("a rule that drops", throughReloads(t, one, drop), map[string]int{"a{one:1}": 0, "b{one:1}": 1, "up{one:1}": 0})
	check("nothing", throughReloads(t, both, both, both), map[string]int{"a{two:2}": 0, "a{one:1}": 0, "up{two:2}": 0})
}

// TestATargetThatComesBack goes on as if it had not left.
func TestATargetThatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newPipeNet()
		server := network.serve(text("a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n", "a 1\n"))
		h := &history{was: map[string][]string{}}
		r, _ := start(t, "global: {scrape_interval: 10s}\nscrape_configs:\n- {job_name: j}\n", h, network.dial)
		r.jobs["j"].sync(groupOf("one:1"))
		time.Sleep(25 * time.Second)
		r.jobs["j"].sync(nil)
		time.Sleep(15 * time.Second)
		r.jobs["j"].sync(groupOf("one:1"))
		time.Sleep(45 * time.Second)
		if n := h.markers("a{one:1}"); n != 0 {
			t.Errorf("%d markers: %v", n, h.was["a{one:1}"])
		}
		if added := strings.Join(h.was["scrape_series_added{one:1}"], " "); strings.Count(added, "1") != 1 {
			t.Errorf("it begins anew: series added %s", added)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
		time.Sleep(time.Minute)
	})
}
