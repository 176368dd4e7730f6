package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/pprof"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/status"
)

// serveOwn opens /metrics with /status, health and profiles.
func (s *Service) serveOwn(ctx context.Context, cfg pipeline.ServiceConfig) ([]*listen.Serving, error) {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(s.host.history, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	metrics.Handle("GET /status", status.Handler(s.status))
	health := http.NewServeMux()
	health.HandleFunc("GET "+cmp.Or(cfg.HealthPath, "/"), s.health)
	profiles := http.NewServeMux()
	profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
	profiles.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	var out []*listen.Serving
	for _, e := range []endpoint{
		{"own metrics", cfg.MetricsEndpoint, cfg.MetricsEmbedded, metrics, 30 * time.Second},
		{"health", cfg.HealthEndpoint, cfg.HealthEmbedded, health, 30 * time.Second},
		{"profiles", cfg.ProfilesEndpoint, false, profiles, 10 * time.Minute},
	} {
		if e.address == "" {
			continue
		}
		srv, err := s.serve(ctx, e)
		if err != nil && e.embedded && errors.Is(err, syscall.EADDRINUSE) {
			s.host.log.Warn("another process uses the port; this endpoint is not served", "endpoint", e.what, "address", e.address, "fix", "free the port, or set another one in a --config file")
			continue
		}
		if err != nil {
			for _, o := range out {
				stopOwn(o)
			}
			return nil, err
		}
		out = append(out, srv)
	}
	return out, nil
}

type endpoint struct {
	what, address string
	embedded      bool
	handler       http.Handler
	answer        time.Duration // how long an answer may take
}

func (s *Service) serve(ctx context.Context, e endpoint) (*listen.Serving, error) {
	srv, err := s.host.listeners.Serve(ctx, s.host.log, s.host.listeners.Listen, listen.HTTP{
		Network: "tcp", Address: e.address,
		Server: &http.Server{Handler: e.handler, ReadTimeout: 10 * time.Second, WriteTimeout: e.answer, IdleTimeout: time.Minute},
	})
	if err != nil {
		return nil, err
	}
	s.host.log.Info("serving "+e.what, "address", srv.Addr().String())
	return srv, nil
}

// stopOwn stops an own endpoint. A slow request must not delay a reload or shutdown.
func stopOwn(srv *listen.Serving) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	done := make(chan struct{})
	go func() {
		defer cancel()
		defer close(done)
		srv.Stop(ctx)
	}()
	select {
	case <-done:
	case <-time.After(2 * time.Second): // the second is for those that are cut off
	}
}

// health answers 200 while batches are accepted, else 503, with the state and reasons in the body.
func (s *Service) health(w http.ResponseWriter, _ *http.Request) {
	body := map[string]any{
		"status":            s.State().String(),
		"unaccounted_items": s.host.ledger.Unaccounted(),
		"version":           s.host.version,
	}
	why := s.notReady()
	w.Header().Set("Content-Type", "application/json")
	if why != nil {
		if len(why) > 0 {
			body["status"], body["reasons"] = "not ready", why
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(body)
}

// notReady is nil while batches are accepted, empty if the service is not in StateReady, else the reasons of
// components.
func (s *Service) notReady() []string {
	if s.State() != StateReady {
		return []string{}
	}
	var why []string
	if g := s.asked.Load(); g != nil {
		for _, nodes := range [][]node{g.receivers, g.inner, g.exporters} {
			for _, n := range nodes {
				if r, is := n.value.(pipeline.Readier); is {
					if err := r.Ready(); err != nil {
						why = append(why, n.name+": "+err.Error())
					}
				}
			}
		}
	}
	return why
}
