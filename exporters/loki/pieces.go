package loki

import (
	"hash/maphash"

	"github.com/klauspost/compress/s2"

	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// pieces are the streams of a push request.
type pieces struct {
	e       *Exporter
	batch   pipeline.Batch
	streams [][]byte // with framing
	records []pipeline.Ranges
}

func (e *Exporter) cutStreams(b pipeline.Batch, p *payload.Payload) *pieces {
	c := &pieces{e: e, batch: b}
	body, err := s2.Decode(nil, p.Body())
	if err != nil {
		return c // cannot happen: we encoded it
	}
	c.records, _ = p.Tag.([]pipeline.Ranges)
	for streams := wire.MessageFields(body); streams.Next(); {
		c.streams = append(c.streams, streams.Framed())
	}
	return c
}

func (c *pieces) Len() int { return len(c.streams) }

func (c *pieces) Items(from, to int) pipeline.Ranges {
	var all []pipeline.Range
	for _, r := range c.records[from:to] {
		all = append(all, r...)
	}
	return pipeline.NewRanges(all)
}

func (c *pieces) Cut(from, to int) *payload.Payload {
	var body []byte
	for _, s := range c.streams[from:to] {
		body = append(body, s...)
	}
	return request(c.batch, body, c.Items(from, to).Len(), &c.e.Pool)
}

// Within splits one stream into lines. Loki itself accepts the good lines of a stream and ignores duplicates; other servers
// with its protocol do not.
func (c *pieces) Within(i int) (divide.Pieces, bool) {
	one := &pieces{e: c.e, batch: c.batch}
	var items []pipeline.Ranges
	for _, r := range c.records[i] {
		for at := r.From; at < r.To; at++ {
			items = append(items, pipeline.Ranges{{From: at, To: at + 1}})
		}
	}
	var head []byte
	for streams := wire.MessageFields(c.streams[i]); streams.Next(); {
		for field := wire.MessageFields(streams.Body()); field.Next(); {
			if field.Number() == fieldStreamLabels {
				head = field.Framed()
				continue
			}
			stream, mark := wire.BeginMessage(nil, fieldStreams)
			stream = append(append(stream, head...), field.Framed()...)
			one.streams = append(one.streams, wire.EndMessage(stream, mark))
		}
	}
	if len(items) != len(one.streams) {
		return nil, false
	}
	one.records = items
	return inStream{one}, false
}

// inStream are the lines of one stream.
type inStream struct{ *pieces }

func (inStream) Within(int) (divide.Pieces, bool) { return nil, false }
func (inStream) Key(int) uint64                   { return 0 }

func (c *pieces) Key(i int) uint64 {
	for streams := wire.MessageFields(c.streams[i]); streams.Next(); {
		for field := wire.MessageFields(streams.Body()); field.Next(); {
			if field.Number() == fieldStreamLabels {
				return maphash.Bytes(c.e.seed, field.Body())
			}
		}
	}
	return 0
}
