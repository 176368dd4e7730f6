package host

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// quiet passes each complaint of the node exporter once, not at every reading; node_scrape_collector_success keeps reporting
// it.
func quiet(to *slog.Logger, badFile func()) *slog.Logger {
	return slog.New(&onceHandler{Handler: to.Handler(), said: &said{texts: map[string]bool{}, badFile: badFile}})
}

// saidMost limits the remembered complaints; then all are forgotten.
const saidMost = 1000

type said struct {
	mu    sync.Mutex
	texts map[string]bool
	// badFile is called for each complaint about a text file, also those that are not passed.
	badFile func()
}

type onceHandler struct {
	slog.Handler
	said *said
}

// Enabled drops levels below warning.
func (h *onceHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// Handle passes the first record of each message, collector and text file, as a warning.
func (h *onceHandler) Handle(ctx context.Context, r slog.Record) error {
	key := r.Message
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "file", "path", "name", "metric":
			key += " " + a.Value.String()
		case "err":
			path, _, _ := strings.Cut(a.Value.String(), `": `) // the rest changes with the file
			key += " " + path
		}
		return true
	})
	if strings.Contains(r.Message, "textfile") && h.said.badFile != nil {
		h.said.badFile()
	}
	h.said.mu.Lock()
	if len(h.said.texts) >= saidMost {
		clear(h.said.texts)
	}
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
