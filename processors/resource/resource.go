// Package resource edits resource attributes in the encoded request: untouched bytes are copied, unknown fields
// included, and an unchanged request passes as is.
package resource

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the resource processor.
type Processor struct {
	actions []action
	asks    bool // whether an action copies what came with the request
	next    pipeline.Sink
	cache   cache
}

// New makes the processor.
func New(_ pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{next: next, cache: cache{done: map[string]verdict{}}}
	for _, a := range c.Attributes {
		p.actions = append(p.actions, compile(a))
		p.asks = p.asks || a.FromContext != ""
	}
	return p, nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume changes the resources and hands the batch on.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	buf := requests.Get()
	defer requests.Put(buf)
	replace := p.replace
	if p.asks {
		replace = replaceOf(p.actions, b.Origin)
	}
	out, changed := wire.EditResources(*buf, b.Request, replace)
	if changed {
		*buf = out
		b.Request = out
	}
	return p.next.Consume(ctx, b)
}

// replace appends the edited resource. A source repeats the same few resources, so results are cached by the old
// bytes, compared in full.
func (p *Processor) replace(dst, resource []byte) ([]byte, bool) {
	if v, ok := p.cache.get(resource); ok {
		return append(dst, v.bytes...), v.changed
	}
	out, changed := edit(resource, p.actions)
	p.cache.put(resource, verdict{out, changed})
	return append(dst, out...), changed
}

type verdict struct {
	bytes   []byte
	changed bool
}

// maxCacheBytes bounds the cache. A full one is cleared: ever new resources gain nothing from it, and the others
// are back within a request each.
const maxCacheBytes = 4 << 20

type cache struct {
	mu    sync.RWMutex
	done  map[string]verdict
	bytes int
}

func (c *cache) get(resource []byte) (verdict, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok := c.done[string(resource)]
	return v, ok
}

func (c *cache) put(resource []byte, v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(resource) + len(v.bytes)
	if n > maxCacheBytes/4 {
		return
	}
	if _, have := c.done[string(resource)]; have {
		return // two requests missed at once; its bytes count once
	}
	if c.bytes+n > maxCacheBytes {
		clear(c.done)
		c.bytes = 0
	}
	c.done[string(resource)] = v
	c.bytes += n
}

var _ pipeline.Sink = (*Processor)(nil)
