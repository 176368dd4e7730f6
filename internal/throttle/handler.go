package throttle

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Logger writes at most n lines of one cause within Every, and with the next one how many were left out. A cause is
// a constant message and its "reason", if any.
func Logger(log *slog.Logger, n int) *slog.Logger {
	return slog.New(&handler{Handler: log.Handler(), causes: &causes{n: n, seen: map[cause]*turn{}}})
}

type handler struct {
	slog.Handler
	causes *causes
}

type cause struct {
	level           slog.Level
	message, reason string
}

type causes struct {
	n int

	mu   sync.Mutex
	seen map[cause]*turn
}

type turn struct {
	begun            time.Time
	written, skipped int
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	key := cause{level: r.Level, message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "reason" {
			key.reason = a.Value.String()
		}
		return a.Key != "reason"
	})
	skipped, due := h.causes.due(key, time.Now())
	if !due {
		return nil
	}
	if skipped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", skipped))
	}
	return h.Handler.Handle(ctx, r)
}

func (c *causes) due(key cause, now time.Time) (skipped int, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.seen[key]
	if t == nil {
		t = &turn{begun: now}
		c.seen[key] = t
	}
	if now.Sub(t.begun) >= Every {
		skipped = t.skipped
		*t = turn{begun: now}
	}
	if t.written < c.n {
		t.written++
		return skipped, true
	}
	t.skipped++
	return 0, false
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &handler{Handler: h.Handler.WithAttrs(attrs), causes: h.causes}
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{Handler: h.Handler.WithGroup(name), causes: h.causes}
}
