package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/wire"
)

// Signal is metrics, logs or traces.
type Signal = wire.Signal

// The signals, in printing order.
const (
	Metrics = wire.Metrics
	Logs    = wire.Logs
	Traces  = wire.Traces
)

// Signals lists every signal, in printing order.
var Signals = [...]Signal{Metrics, Logs, Traces}

// A Batch is telemetry of one signal, as the body of an OTLP export request.
type Batch struct {
	Signal  Signal
	Request wire.Request // well-formed and canonical: checked once, where it entered
	Items   int          // data points, log records or spans
	Origin  Origin       // from the connection, never from the payload
}

// Cut is a batch of the items [from, to), in its own buffer.
func (b Batch) Cut(from, to int) Batch {
	return b.CutRanges(nil, NewRanges([]Range{{max(from, 0), min(to, b.Items)}}))
}

// manyRanges is from when on one pass over the request is cheaper than one for each range.
const manyRanges = 4

// CutRanges is a batch of some items, appended to dst.
func (b Batch) CutRanges(dst []byte, items Ranges) Batch {
	if len(items) >= manyRanges {
		dst = b.cutInOnePass(dst, items)
	} else {
		for _, r := range items {
			dst = wire.AppendItems(dst, b.Signal, b.Request, r.From, r.To)
		}
	}
	b.Request, b.Items = dst, items.Len()
	return b
}

func (b Batch) cutInOnePass(dst []byte, items Ranges) []byte {
	shares, at := make([]wire.Share, 0, 2*len(items)+1), 0
	give := func(to, end int) {
		if end > at {
			shares = append(shares, wire.Share{To: to, Count: end - at})
			at = end
		}
	}
	for _, r := range items {
		give(-1, r.From)
		give(0, r.To)
	}
	give(-1, b.Items)
	parts := [][]byte{dst}
	new(wire.Divider).Divide(parts, b.Signal, b.Request, shares)
	return parts[0]
}

// Remaining is what to send again when err is the answer for b: the refused items.
func (b Batch) Remaining(err error) Batch {
	a := Read(err, b.Items)
	if a.Refused.Len() == b.Items {
		return b
	}
	return b.CutRanges(nil, a.Refused)
}

// Origin is where a batch came from, as proved by the connection. Batches of different tenants, routes or metadata are
// never merged.
type Origin struct {
	Tenant   string // from the authenticated identity; empty without one
	Route    string // set by a routing processor; empty without one
	Peer     string // address of the other side, host:port; empty for sources of our own
	Identity string // the authenticated identity, for logs; empty without one
	Relayed  bool   // the other side is one of our daemons, which speaks for others: its address says nothing of the telemetry
	Metadata Metadata
}

// Metadata is what the configuration asks for of a request's headers: the body of an OTLP map of lists of texts, by header
// in lower case. It is a text so that batches can be compared by it. Without a component that asks it is empty.
type Metadata string

// Values are the values of a header, whose name is in lower case.
func (m Metadata) Values(header string) (out []string) {
	v, _ := wire.Entries([]byte(m), wire.FieldMapValues<<3|wire.TypeBytes).Find(header)
	for list := v.Array(); list.Next(); {
		out = append(out, string(list.Value().Str()))
	}
	return out
}

// A MetadataUser is a component's configuration that asks for headers of requests.
type MetadataUser interface {
	// AsksMetadata are their names, in any case.
	AsksMetadata() []string
}

// MetadataKeys are the headers that some component asks for, in lower case and in order.
type MetadataKeys []string

// MetadataKeys are the headers that components ask receivers for.
func (c *Config) MetadataKeys() MetadataKeys {
	var out MetadataKeys
	for _, in := range c.Instances {
		if user, is := in.Config.(MetadataUser); is {
			for _, key := range user.AsksMetadata() {
				out = append(out, strings.ToLower(key))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// maxMetadata bounds what is kept of one request.
const maxMetadata = 8 << 10

// Of is what a request has of the headers. It returns false if that is more than 8 KiB.
func (k MetadataKeys) Of(values func(header string) []string) (Metadata, bool) {
	var b []byte
	for _, header := range k {
		all := values(header)
		if len(all) == 0 {
			continue
		}
		var entry, value, list, text int
		b, entry = wire.BeginMessage(b, wire.FieldMapValues)
		b = wire.AppendString(b, wire.FieldKeyValueKey, header)
		b, value = wire.BeginMessage(b, wire.FieldKeyValueValue)
		b, list = wire.BeginMessage(b, wire.FieldValueArray)
		for _, v := range all {
			b, text = wire.BeginMessage(b, wire.FieldArrayValues)
			b = wire.EndMessage(wire.AppendString(b, wire.FieldValueString, strings.ToValidUTF8(v, "\uFFFD")), text)
		}
		b = wire.EndMessage(wire.EndMessage(wire.EndMessage(b, list), value), entry)
		if len(b) > maxMetadata {
			return "", false
		}
	}
	return Metadata(b), true
}

// A Sink takes batches.
//
// nil means that the batch is safe: delivered, durable, or dropped on purpose and counted. The call waits until
// then, so a tailer can move its checkpoint and a listener answer 200. Otherwise the error is a *Refused (retry), a
// *Rejected (never), an *Answer when items differ, or any other error, which counts as a Refused. Read normalises
// all of them. To pass on changed items, use HandOn.
//
// Consume must not modify b.Request, or keep a reference to it after it returns: the caller reuses the buffer. It
// may be called concurrently.
type Sink interface {
	Consume(ctx context.Context, b Batch) error
}

// HandOn gives next a changed batch and translates the answer back for the original one of so many items. m maps
// the items of b to the original; if nil, a refusal refuses all of them and a rejection is a count. Items missing
// from m count as taken: whoever removes them must call Settings.Drop.
func HandOn(ctx context.Context, next Sink, b Batch, items int, m ItemMap) error {
	err := next.Consume(ctx, b)
	if err == nil {
		return nil
	}
	g := NewGather(items)
	g.Add(err, b.Items, m)
	return g.Err()
}

// SinkFunc is a function as a Sink.
type SinkFunc func(ctx context.Context, b Batch) error

// Consume calls f.
func (f SinkFunc) Consume(ctx context.Context, b Batch) error { return f(ctx, b) }
