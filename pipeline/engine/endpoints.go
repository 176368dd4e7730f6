package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
)

// serveOwn opens /metrics and the health endpoint.
func (s *Service) serveOwn(ctx context.Context, cfg pipeline.ServiceConfig) ([]*listen.Serving, error) {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(s.host.history, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	health := http.NewServeMux()
	health.HandleFunc("GET /", s.health)
	var out []*listen.Serving
	for _, e := range []struct {
		what, address string
		embedded      bool
		handler       http.Handler
	}{
		{"own metrics", cfg.MetricsEndpoint, cfg.MetricsEmbedded, metrics},
		{"health", cfg.HealthEndpoint, cfg.HealthEmbedded, health},
	} {
		if e.address == "" {
			continue
		}
		srv, err := s.serve(ctx, e.what, e.address, e.handler)
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

func (s *Service) serve(ctx context.Context, what, address string, h http.Handler) (*listen.Serving, error) {
	srv, err := s.host.listeners.Serve(ctx, s.host.log, s.host.listeners.Listen, listen.HTTP{
		Network: "tcp", Address: address,
		Server: &http.Server{Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute},
	})
	if err != nil {
		return nil, err
	}
	s.host.log.Info("serving "+what, "address", srv.Addr().String())
	return srv, nil
}

// stopOwn ends an endpoint of the service's own. Its requests are short, and one that is not holds up neither a reload
// nor the end: what it reads is still there.
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

// health answers 200 while batches are taken in, else 503. The body says which state it is, for people.
func (s *Service) health(w http.ResponseWriter, _ *http.Request) {
	state := s.State()
	w.Header().Set("Content-Type", "application/json")
	if state != StateReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(map[string]any{
		"status":            state.String(),
		"unaccounted_items": s.host.ledger.Unaccounted(),
		"version":           s.host.version,
	})
}
