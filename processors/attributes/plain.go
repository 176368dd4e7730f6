package attributes

import (
	"context"
	"strings"
	"sync"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

var plainActions = map[string]wire.AttributeAction{
	"insert": wire.InsertAttribute, "update": wire.UpdateAttribute, "upsert": wire.UpsertAttribute, "delete": wire.DeleteAttribute,
}

// plain is the actions without OTTL, at half its cost; nil if one needs it.
func (c *Config) plain() *wire.AttributeEdit {
	if c.Include != nil || c.Exclude != nil {
		return nil
	}
	var list []wire.AttributeOperation
	for _, a := range c.Actions {
		o := wire.AttributeOperation{Action: plainActions[strings.ToLower(a.Action)], Key: a.Key, From: a.FromAttribute}
		switch v := a.Value.(type) {
		case nil:
		case string:
			o.Value = wire.StringValue(v)
		case bool:
			o.Value = wire.BoolValue(v)
		case int:
			o.Value = wire.IntValue(int64(v))
		case float64:
			o.Value = wire.DoubleValue(v)
		default:
			return nil
		}
		if o.Action == 0 || a.Pattern != "" || a.DefaultValue != nil || a.FromContext != "" {
			return nil
		}
		list = append(list, o)
	}
	edit, err := wire.NewAttributeEdit(list...)
	if err != nil {
		return nil
	}
	return edit
}

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
