package engine

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/internal/listen/listentest"
	"github.com/sluiceio/sluice/pipeline"
)

// TestReloadKeepsConnections of the service's own endpoints, which like any other wait for the next graph; also
// when the new configuration does not start.
func TestReloadKeepsConnections(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	address := "127.0.0.1:" + listentest.FreePort(t)
	configured := func() *pipeline.Config {
		cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
		cfg.Service.HealthEndpoint = address
		return cfg
	}
	if err := s.Start(t.Context(), configured()); err != nil {
		t.Fatal(err)
	}
	c := listentest.Dial(t, address)
	healthy := func() {
		t.Helper()
		c.Send()
		if got := c.Answer(); got[:3] != "200" {
			t.Errorf("got %q", got)
		}
	}
	healthy()
	if err := s.Reload(t.Context(), configured()); err != nil {
		t.Error(err)
	}
	healthy()
	stuck := configured()
	stuck.Instances[0].Config = &fakeConfig{StartFault: "the port is taken"}
	if err := s.Reload(t.Context(), stuck); err == nil {
		t.Error("it started")
	}
	healthy()
	s.Stop(t.Context())
	c.Want(listentest.HungUp)
}

// TestAnOwnEndpointThatHangsHoldsUpNothing: a handler of /metrics that does not end is left behind.
func TestAnOwnEndpointThatHangsHoldsUpNothing(t *testing.T) {
	l := listen.New()
	defer l.Close()
	address := "127.0.0.1:" + listentest.FreePort(t)
	inside, end := make(chan struct{}), make(chan struct{})
	srv, err := l.Serve(t.Context(), slog.New(slog.DiscardHandler), l.Listen, listen.HTTP{
		Network: "tcp", Address: address,
		Server: &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(inside); <-end })},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := listentest.Dial(t, address)
	c.Send()
	<-inside
	begin := time.Now()
	stopOwn(srv)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("waited for %s", took)
	}
	close(end)
	srv.Stop(t.Context()) // returns behind the handler that was left behind
}

// TestHealthPathAndProfiles: each answers where the configuration says, and nowhere else.
func TestHealthPathAndProfiles(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	health, profiles := "127.0.0.1:"+listentest.FreePort(t), "127.0.0.1:"+listentest.FreePort(t)
	cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
	cfg.Service.HealthEndpoint, cfg.Service.HealthPath, cfg.Service.ProfilesEndpoint = health, "/healthz", profiles
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	for url, want := range map[string]int{
		health + "/healthz": 200, health + "/": 404, health + "/debug/pprof/": 404,
		profiles + "/debug/pprof/heap": 200, profiles + "/debug/pprof/profile?seconds=1": 200, profiles + "/": 404,
	} {
		res, err := http.Get("http://" + url)
		if err != nil {
			t.Error(err)
			continue
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("%s answers %d, want %d", url, res.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestAComponentThatTakesNothing makes the process not ready, which says why.
func TestAComponentThatTakesNothing(t *testing.T) {
	k := &kit{outs: map[string]pipeline.Outputs{}}
	s := newService(t)
	cfg := k.config(pipe(t, "logs", "in", "mid", "out"))
	cfg.Service.HealthEndpoint = "127.0.0.1:" + listentest.FreePort(t)
	if err := s.Start(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	defer s.Stop(t.Context())
	check := func(code int, text string) {
		t.Helper()
		w := httptest.NewRecorder()
		s.health(w, nil)
		if w.Code != code || !strings.Contains(w.Body.String(), text) {
			t.Errorf("health answers %d %s, want %d with %s", w.Code, w.Body, code, text)
		}
		gauges, err := s.Gatherer().Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range gauges {
			if f.GetName() == "sluice_ready" && (f.Metric[0].Gauge.GetValue() == 1) != (code == 200) {
				t.Errorf("sluice_ready is %v where health answers %d", f.Metric[0].Gauge.GetValue(), code)
			}
		}
	}
	check(200, `"status":"ready"`)
	why := "the disk is full"
	k.unready.Store(&why)
	check(503, `"exporter/out: the disk is full"`)
	check(503, `"status":"not ready"`)
	k.unready.Store(nil)
	check(200, `"status":"ready"`)
}
