package loki

import (
	"encoding/hex"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/loki"
)

// Field numbers of logproto.PushRequest and its messages.
const (
	fieldStreams = 1

	fieldStreamLabels  = 1
	fieldStreamEntries = 2

	fieldEntryTime     = 1
	fieldEntryLine     = 2
	fieldEntryMetadata = 3

	fieldSeconds = 1
	fieldNanos   = 2

	fieldPairName  = 1
	fieldPairValue = 2
)

// maxArena limits a batch's entries: resource attributes are repeated for every line, so 1 MB over 100,000 lines would use
// all memory.
const maxArena = 256 << 20

// flushArena is how much is gathered before requests are made.
const flushArena = 16 << 20

// keepArena is how much memory is kept for the next batch.
const keepArena = 16 << 20

var errInflated = errors.New("the lines of the batch are larger than 256 MiB when each has its structured metadata")

// An encoder turns batches into push requests. It groups entries by stream and keeps their order. Not for concurrent use.
type encoder struct {
	index    map[string]string // attribute name to label name
	fixed    []label
	maxBytes int
	maxArena int
	flushAt  int
	pool     *buffer.Pool
	suspects *divide.Suspects
	seed     maphash.Seed

	arena   []byte // entries with framing, in record order
	entries []entry
	streams []stream
	count   [divide.Suspicions]int // streams by suspicion
	known   map[string]int         // streams by selector
	body    []byte

	labels                  []label
	resource, scope, record pairs
	text, name, line        []byte
}

// entry is a range of the arena; next is the next entry of the stream, item the record's index in the batch.
type entry struct{ from, to, next, item int32 }

type stream struct {
	selector    string
	first, last int32 // entries; first is -1 while there is none
	suspicion   divide.Suspicion
}

func newEncoder(c *Config, pool *buffer.Pool, suspects *divide.Suspects, seed maphash.Seed) *encoder {
	e := &encoder{suspects: suspects, seed: seed, index: map[string]string{}, known: map[string]int{}, maxBytes: c.MaxBatchSizeBytes, maxArena: maxArena, flushAt: flushArena, pool: pool}
	for _, key := range c.IndexAttributes {
		e.index[key] = string(loki.AppendName(nil, []byte(key)))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		e.fixed = append(e.fixed, label{name, c.Labels[name]})
	}
	return e
}

// encode makes the payloads of a batch: a group, so that they go out one after the other, and apart from it the
// streams that were rejected lately. now is the time of records without one, in nanoseconds.
func (e *encoder) encode(b pipeline.Batch, now uint64) ([][]*payload.Payload, error) {
	defer e.shrink()
	groups := make([][]*payload.Payload, divide.Suspicions)
	flush := func() {
		for s := range groups {
			groups[s] = append(groups[s], e.payloads(b, divide.Suspicion(s))...)
		}
	}
	item := int32(0)
	spent := 0 // of the arena, flushed so far
	for rs := b.Request.Resources(); rs.Next(); {
		e.streamLabels(rs.Resource())
		at := e.stream()
		for ss := rs.Scopes(); ss.Next(); {
			e.readScope(ss.Scope())
			for items := ss.Items(); items.Next(); {
				if spent+len(e.arena) > e.maxArena {
					for _, group := range groups {
						payload.Discard(group)
					}
					return nil, pipeline.Reject(0, pipeline.DropTooLarge, errInflated)
				}
				if len(e.arena) > e.flushAt {
					flush()
					spent += len(e.arena)
					e.forget()
					at = e.stream()
				}
				l := wire.ParseLog(items.Bytes())
				e.add(&e.streams[at], &l, now)
				e.entries[len(e.entries)-1].item = item
				item++
			}
		}
	}
	flush()
	return slices.DeleteFunc(groups, func(group []*payload.Payload) bool { return len(group) == 0 }), nil
}

func (e *encoder) stream() int {
	e.text = appendSelector(e.text[:0], e.labels)
	if at, ok := e.known[string(e.text)]; ok {
		return at
	}
	selector := string(e.text)
	e.known[selector] = len(e.streams)
	s := stream{selector: selector, first: -1}
	if e.suspects.Any() {
		s.suspicion = e.suspects.Of(e.keyOf(selector))
	}
	e.count[s.suspicion]++
	e.streams = append(e.streams, s)
	return len(e.streams) - 1
}

func (e *encoder) readScope(body []byte) {
	e.scope.reset()
	s := wire.ParseScope(body)
	e.scope.add(nil, []byte("scope_name"), s.Name)
	e.scope.add(nil, []byte("scope_version"), s.Version)
	for attrs := s.Attributes(); attrs.Next(); {
		e.attribute(&e.scope, nil, attrs.Key(), attrs.Value())
	}
}

// attribute adds structured metadata; a map gives one label per entry, as in Loki.
func (e *encoder) attribute(to *pairs, parent, key []byte, v wire.Value) {
	at := len(e.name)
	if parent == nil {
		e.name = loki.AppendName(e.name, key)
	} else {
		e.name = loki.AppendNamePart(append(append(e.name, parent...), '_'), key)
	}
	name := e.name[at:]
	switch v.Kind() {
	case wire.ValueString:
		to.add(key, name, v.Str())
	case wire.ValueMap:
		for m := v.Map(); m.Next(); {
			e.attribute(to, name, m.Key(), m.Value())
		}
	default:
		e.text = v.AppendText(e.text[:0])
		to.add(key, name, e.text)
	}
	e.name = e.name[:at]
}

func (e *encoder) add(s *stream, l *wire.Log, now uint64) {
	e.readRecord(l)
	line := l.Body.Str()
	if l.Body.Kind() != wire.ValueString {
		e.line = l.Body.AppendText(e.line[:0])
		line = e.line
	}
	from := int32(len(e.arena))
	e.arena = appendTime(e.arena, timeOf(l, now))
	e.arena = wire.AppendBytes(e.arena, fieldEntryLine, line)
	// For equal keys the record wins over the scope, and the scope over the resource.
	e.record.addAll(&e.scope)
	e.record.addAll(&e.resource)
	e.arena = append(e.arena, e.record.frames...)

	n := int32(len(e.entries))
	e.entries = append(e.entries, entry{from: from, to: int32(len(e.arena))})
	if s.first < 0 {
		s.first = n
	} else {
		e.entries[s.last].next = n
	}
	s.last = n
}

func (e *encoder) readRecord(l *wire.Log) {
	r := &e.record
	r.reset()
	if l.SeverityNumber != 0 {
		e.text = strconv.AppendInt(e.text[:0], int64(l.SeverityNumber), 10)
		r.add(nil, []byte("severity_number"), e.text)
	}
	r.add(nil, []byte("severity_text"), l.SeverityText)
	e.text = hex.AppendEncode(e.text[:0], l.TraceID)
	r.add(nil, []byte("trace_id"), e.text)
	e.text = hex.AppendEncode(e.text[:0], l.SpanID)
	r.add(nil, []byte("span_id"), e.text)
	if l.Flags != 0 {
		e.text = strconv.AppendUint(e.text[:0], uint64(l.Flags), 10)
		r.add(nil, []byte("flags"), e.text)
	}
	if l.Time != 0 && l.ObservedTime != 0 {
		e.text = strconv.AppendUint(e.text[:0], l.ObservedTime, 10)
		r.add(nil, []byte("observed_timestamp"), e.text)
	}
	r.add(nil, []byte("event_name"), l.EventName)
	if l.DroppedAttributes != 0 {
		e.text = strconv.AppendUint(e.text[:0], uint64(l.DroppedAttributes), 10)
		r.add(nil, []byte("dropped_attributes_count"), e.text)
	}
	for attrs := l.Attributes(); attrs.Next(); {
		e.attribute(r, nil, attrs.Key(), attrs.Value())
	}
}

func timeOf(l *wire.Log, now uint64) uint64 {
	for _, ns := range [...]uint64{l.Time, l.ObservedTime} {
		if ns != 0 {
			return min(ns, 1<<63-1)
		}
	}
	return now
}

func appendTime(dst []byte, ns uint64) []byte {
	dst, mark := wire.BeginMessage(dst, fieldEntryTime)
	dst = wire.AppendUint(dst, fieldSeconds, ns/uint64(time.Second))
	dst = wire.AppendUint(dst, fieldNanos, ns%uint64(time.Second))
	return wire.EndMessage(dst, mark)
}

// payloads writes the streams of a suspicion into requests of at most maxBytes; a lone entry may be larger.
func (e *encoder) payloads(b pipeline.Batch, suspicion divide.Suspicion) (out []*payload.Payload) {
	if e.count[suspicion] == 0 {
		return nil
	}
	e.body = e.body[:0]
	items := 0
	var records []pipeline.Ranges // of each stream in the body
	flush := func() {
		if items > 0 {
			p := request(b, e.body, items, e.pool)
			p.Tag, p.Apart = records, suspicion != divide.Innocent
			out = append(out, p)
		}
		e.body, items, records = e.body[:0], 0, nil
	}
	for i := range e.streams {
		s := &e.streams[i]
		if s.suspicion != suspicion {
			continue
		}
		head := 1 + wire.SizeVarint(uint64(len(s.selector))) + len(s.selector)
		for next, more := s.first, s.first >= 0; more; {
			size, upTo, n := head, next, 0
			for { // as many entries as fit
				k := &e.entries[upTo]
				frame := frameSize(int(k.to - k.from))
				if n+items > 0 && len(e.body)+frameSize(size+frame) > e.maxBytes {
					break
				}
				size += frame
				n++
				if upTo == s.last {
					more = false
					break
				}
				upTo = k.next
			}
			if n > 0 {
				records = append(records, e.records(next, n))
				next = e.appendStream(s, next, n, size)
				items += n
			}
			if more || suspicion == divide.Alone {
				flush()
			}
		}
	}
	flush()
	return out
}

func (e *encoder) records(next int32, n int) (r pipeline.Ranges) {
	for range n {
		k := &e.entries[next]
		if last := len(r) - 1; last >= 0 && r[last].To == int(k.item) {
			r[last].To++
		} else {
			r = append(r, pipeline.Range{From: int(k.item), To: int(k.item) + 1})
		}
		next = k.next
	}
	return r
}

func request(b pipeline.Batch, body []byte, items int, pool *buffer.Pool) *payload.Payload {
	p := payload.Own(b, payload.CompressSnappy(body, pool))
	p.Items, p.Size = items, int(int64(len(b.Request))*int64(items)/int64(max(b.Items, 1)))
	return p
}

func (e *encoder) keyOf(selector string) uint64 { return maphash.String(e.seed, selector) }

func (e *encoder) appendStream(s *stream, next int32, n, size int) int32 {
	e.body = wire.AppendTag(e.body, fieldStreams, wire.TypeBytes)
	e.body = wire.AppendVarint(e.body, uint64(size))
	e.body = wire.AppendString(e.body, fieldStreamLabels, s.selector)
	for range n {
		k := &e.entries[next]
		e.body = wire.AppendBytes(e.body, fieldStreamEntries, e.arena[k.from:k.to])
		next = k.next
	}
	return next
}

func (e *encoder) forget() {
	e.arena, e.entries, e.streams = e.arena[:0], e.entries[:0], e.streams[:0]
	e.count = [len(e.count)]int{}
	clear(e.known)
}

// shrink resets the encoder and frees unusually large buffers.
func (e *encoder) shrink() {
	e.forget()
	if cap(e.arena) > keepArena {
		e.arena, e.entries = nil, nil
	}
	if cap(e.body) > keepArena {
		e.body = nil
	}
}

// frameSize is the size of a field with n body bytes and a number below 16.
func frameSize(n int) int { return 1 + wire.SizeVarint(uint64(n)) + n }
