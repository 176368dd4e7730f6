package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// httpServer is one of the service's own endpoints.
type httpServer struct {
	srv *http.Server
	ln  net.Listener
}

// serveOwn opens /metrics and the health endpoint.
func (s *Service) serveOwn(ctx context.Context, cfg ServiceConfig) ([]*httpServer, error) {
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	health := http.NewServeMux()
	health.HandleFunc("GET /", s.health)
	var out []*httpServer
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
			s.host.Log.Warn("port taken; left out", "endpoint", e.what, "address", e.address, "fix", "free the port, or name another one in a --config file")
			continue
		}
		if err != nil {
			for _, o := range out {
				o.stop()
			}
			return nil, err
		}
		out = append(out, srv)
	}
	return out, nil
}

func (s *Service) serve(ctx context.Context, what, address string, h http.Handler) (*httpServer, error) {
	ln, err := s.host.Listeners.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		ErrorLog: slog.NewLogLogger(s.host.Log.Handler(), slog.LevelDebug),
	}
	go srv.Serve(ln)
	s.host.Log.Info("serving "+what, "address", ln.Addr().String())
	return &httpServer{srv: srv, ln: ln}, nil
}

func (h *httpServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if h.srv.Shutdown(ctx) != nil {
		h.srv.Close()
	}
	h.ln.Close() // Serve may not have run yet, and then the server does not know its listener
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
		"unaccounted_items": s.host.Ledger.Unaccounted(),
		"version":           s.host.Version,
	})
}
