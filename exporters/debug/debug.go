// Package debug is the exporter that prints requests to the terminal.
package debug

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Exporter is the component.
type Exporter struct {
	settings pipeline.Settings
	config   *Config

	mu    sync.Mutex
	out   io.Writer
	text  []byte // of the request being shown; reused
	shown [pipeline.Traces + 1]window
}

// window counts the requests of one second.
type window struct {
	second int64
	n      int
}

// maxText limits the buffer kept for the next request.
const maxText = 1 << 20

func New(s pipeline.Settings, c *Config) (pipeline.Sink, error) {
	e := &Exporter{settings: s, config: c, out: os.Stdout}
	if c.UseInternalLogger {
		e.out = os.Stderr
	}
	return e, nil
}

// Consume implements pipeline.Sink. Requests that sampling skips are accepted too.
func (e *Exporter) Consume(ctx context.Context, b pipeline.Batch) error {
	if ctx.Err() != nil {
		return pipeline.Withdrawn(ctx)
	}
	if err := e.show(b); err != nil {
		return pipeline.Refuse(time.Second, err)
	}
	e.settings.Delivered(b.Signal, b.Items, len(b.Request))
	return nil
}

func (e *Exporter) show(b pipeline.Batch) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.sampledLocked(b.Signal) {
		return nil
	}
	e.text = e.text[:0]
	if e.config.UseInternalLogger {
		e.settings.Log.Info(b.Signal.String(), "resources", resources(b.Request), "items", b.Items, "bytes", len(b.Request))
	} else {
		e.text = fmt.Appendf(e.text, "%s resources=%d items=%d bytes=%d\n", b.Signal, resources(b.Request), b.Items, len(b.Request))
	}
	switch e.config.Verbosity {
	case normal:
		e.text = appendNormal(e.text, b.Signal, b.Request)
	case detailed:
		e.text = appendDetailed(e.text, b.Signal, b.Request)
	}
	if len(e.text) == 0 {
		return nil
	}
	_, err := e.out.Write(e.text)
	if cap(e.text) > maxText {
		e.text = nil
	}
	if err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	return nil
}

func (e *Exporter) sampledLocked(s pipeline.Signal) bool {
	w := &e.shown[s]
	if now := time.Now().Unix(); now != w.second {
		*w = window{second: now}
	}
	w.n++
	if w.n <= e.config.SamplingInitial {
		return true
	}
	every := e.config.SamplingThereafter
	return every > 0 && (w.n-e.config.SamplingInitial)%every == 0
}

func resources(r wire.Request) (n int) {
	for c := r.Resources(); c.Next(); {
		n++
	}
	return n
}
