// Package resource edits resource attributes in the encoded request: untouched bytes are copied, unknown fields
// included, and an unchanged request passes as is.
package resource

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/ottl/actions"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Processor is the resource processor.
type Processor struct {
	edit     *wire.AttributeEdit // nil if an action needs OTTL
	programs map[pipeline.Signal]*ottl.Program
	next     pipeline.Sink
	cache    cache
}

// New makes the processor.
func New(s pipeline.Settings, c *Config, next pipeline.Sink) (pipeline.Sink, error) {
	p := &Processor{next: next, cache: cache{done: map[string]verdict{}}, programs: map[pipeline.Signal]*ottl.Program{}}
	if s.Trace == nil {
		p.edit = actions.Plain(c.Attributes)
	}
	for _, signal := range pipeline.Signals {
		program, err := c.program(signal)
		if err != nil {
			return nil, err
		}
		program.Trace(s.Trace)
		p.programs[signal] = program
	}
	return p, nil
}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// Consume changes the resources and hands the batch on.
func (p *Processor) Consume(ctx context.Context, b pipeline.Batch) error {
	if p.edit == nil {
		return p.program(ctx, b)
	}
	buf := requests.Get()
	defer requests.Put(buf)
	out, changed := wire.EditResources(*buf, b.Request, p.replace)
	if changed {
		*buf = out
		b.Request = out
	}
	return p.next.Consume(ctx, b)
}

// program changes the resources by OTTL.
func (p *Processor) program(ctx context.Context, b pipeline.Batch) error {
	run := p.programs[b.Signal].Start(nil)
	defer run.Done()
	run.From(b.Origin.Peer, string(b.Origin.Metadata))
	request, err := run.Over(b.Request)
	if err != nil {
		return pipeline.Reject(0, pipeline.DropInvalid, err)
	}
	b.Request = request
	return p.next.Consume(ctx, b)
}

// replace appends the edited resource. A source repeats the same few resources, so results are cached by the old
// bytes, compared in full.
func (p *Processor) replace(dst, resource []byte) ([]byte, bool) {
	if v, ok := p.cache.get(resource); ok {
		return append(dst, v.bytes...), v.changed
	}
	out, changed := p.edit.AppendResource(nil, resource)
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
