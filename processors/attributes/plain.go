package attributes

import (
	"context"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// An Editor is not for concurrent use; Consume is.
var editors = sync.Pool{New: func() any { return new(wire.Editor) }}

// requests are the buffers of changed requests.
var requests buffer.Scratch

// edited changes the batch without OTTL and hands it on.
func (p *Processor) edited(ctx context.Context, b pipeline.Batch) error {
	editor := editors.Get().(*wire.Editor)
	defer editors.Put(editor)
	buf := requests.Get()
	defer requests.Put(buf)
	done := editor.EditItems(*buf, b.Signal, b.Request, p.edit.Apply)
	if done.Changed {
		*buf, b.Request = done.Request, done.Request
	}
	return p.next.Consume(ctx, b)
}
