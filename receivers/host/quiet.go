package host

import (
	"context"
	"log/slog"
	"sync"
)

// quiet passes each complaint of the node exporter once, not at every reading; node_scrape_collector_success keeps reporting
// it.
func quiet(to *slog.Logger) *slog.Logger {
	return slog.New(&onceHandler{Handler: to.Handler(), said: &said{texts: map[string]bool{}}})
}

type said struct {
	mu    sync.Mutex
	texts map[string]bool
}

type onceHandler struct {
	slog.Handler
	said *said
}

// Enabled drops levels below warning.
func (h *onceHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// Handle passes the first record of each message and collector, as a warning.
func (h *onceHandler) Handle(ctx context.Context, r slog.Record) error {
	key := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "name" {
			key += " " + a.Value.String()
		}
		return true
	})
	h.said.mu.Lock()
	before := h.said.texts[key]
	h.said.texts[key] = true
	h.said.mu.Unlock()
	if before {
		return nil
	}
	r.Level = slog.LevelWarn
	return h.Handler.Handle(ctx, r)
}

func (h *onceHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &onceHandler{Handler: h.Handler.WithAttrs(a), said: h.said}
}

func (h *onceHandler) WithGroup(name string) slog.Handler {
	return &onceHandler{Handler: h.Handler.WithGroup(name), said: h.said}
}
