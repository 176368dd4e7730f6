package record

import (
	"encoding/binary"
	"sync"

	"github.com/sluiceio/sluice/receivers/tail/detect"
	"github.com/sluiceio/sluice/wire"
)

// Batch is a request under construction: records are appended behind reserved room, into which Seal writes the envelope. No
// byte is moved twice.
type Batch struct {
	buf   []byte // room, then LogRecords as fields of ScopeLogs
	room  int    // bytes of room
	limit int    // size at which fits returns false
	items int

	request wire.Request // set by Seal; a slice of buf
	pool    *Pool        // where it came from
}

// Field tags of a record, as bytes.
const (
	tagItem     = wire.FieldScopeXItem<<3 | wire.TypeBytes
	tagTime     = wire.FieldLogTime<<3 | wire.TypeFixed64
	tagBody     = wire.FieldLogBody<<3 | wire.TypeBytes
	tagString   = wire.FieldValueString<<3 | wire.TypeBytes
	tagObserved = wire.FieldLogObservedTime<<3 | wire.TypeFixed64
)

const (
	fixedSize = 1 + 8 // tag and value of a fixed64 field

	// recordMax is a record's maximum size without its body.
	recordMax = 2*fixedSize + 3*(1+5) + 80 + foundMax
	// foundMax is the size of what a line says of itself.
	foundMax = 2 + 2 + 24 + 5 + 2 + 16 + 2 + 8
)

func (b *Batch) reset(room int) {
	*b = Batch{buf: b.buf[:room], room: room, limit: cap(b.buf), pool: b.pool}
}

// fits is always true for an empty batch.
func (b *Batch) fits(n int) bool {
	return len(b.buf)+recordMax+n <= b.limit || b.items == 0
}

// add appends a record. time is 0 if unknown; attributes are already encoded; body must be valid UTF-8.
func (b *Batch) add(time, observed uint64, attributes, body []byte) {
	value := 1 + wire.SizeVarint(uint64(len(body))) + len(body)
	record := 1 + wire.SizeVarint(uint64(value)) + value + len(attributes) + fixedSize
	if time != 0 {
		record += fixedSize
	}
	buf := wire.AppendVarint(append(b.buf, tagItem), uint64(record))
	if time != 0 {
		buf = binary.LittleEndian.AppendUint64(append(buf, tagTime), time)
	}
	buf = wire.AppendVarint(append(buf, tagBody), uint64(value))
	buf = wire.AppendVarint(append(buf, tagString), uint64(len(body)))
	buf = append(buf, body...)
	buf = append(buf, attributes...)
	b.buf = binary.LittleEndian.AppendUint64(append(buf, tagObserved), observed)
	b.items++
}

// addFound is add with what the line says of itself.
func (b *Batch) addFound(time, observed uint64, attributes, body []byte, f *detect.Found) {
	value := 1 + wire.SizeVarint(uint64(len(body))) + len(body)
	record := 1 + wire.SizeVarint(uint64(value)) + value + len(attributes) + fixedSize
	if time != 0 {
		record += fixedSize
	}
	var space [foundMax]byte
	head := space[:0]
	if f.Severity != 0 {
		head = wire.AppendUint(head, wire.FieldLogSeverityNumber, uint64(f.Severity))
	}
	if len(f.SeverityText) > 0 {
		head = wire.AppendBytes(head, wire.FieldLogSeverityText, f.SeverityText)
	}
	before := len(head)
	if f.HasFlags && f.Flags != 0 {
		head = wire.AppendFixed32(head, wire.FieldLogFlags, uint32(f.Flags))
	}
	if f.HasTrace {
		head = wire.AppendBytes(head, wire.FieldLogTraceID, f.TraceID[:])
	}
	if f.HasSpan {
		head = wire.AppendBytes(head, wire.FieldLogSpanID, f.SpanID[:])
	}
	record += len(head)
	buf := wire.AppendVarint(append(b.buf, tagItem), uint64(record))
	if time != 0 {
		buf = binary.LittleEndian.AppendUint64(append(buf, tagTime), time)
	}
	buf = append(buf, head[:before]...)
	buf = wire.AppendVarint(append(buf, tagBody), uint64(value))
	buf = wire.AppendVarint(append(buf, tagString), uint64(len(body)))
	buf = append(buf, body...)
	buf = append(buf, attributes...)
	buf = append(buf, head[before:]...)
	b.buf = binary.LittleEndian.AppendUint64(append(buf, tagObserved), observed)
	b.items++
}

// Seal completes the request.
func (b *Batch) Seal(e *Envelope) {
	b.request = e.seal(b.buf, b.room)
}

// Request returns the sealed request. It is valid until Free.
func (b *Batch) Request() wire.Request { return b.request }

// Records returns the framed records without the envelope, before Seal. They are valid until Free.
func (b *Batch) Records() []byte { return b.buf[b.room:] }

// Items returns the number of records.
func (b *Batch) Items() int { return b.items }

// Left returns the free bytes, framing included.
func (b *Batch) Left() int { return b.limit - len(b.buf) }

// Size returns the batch's allocated size.
func (b *Batch) Size() int { return b.pool.size }

// Free returns the batch to its pool, unless it grew: pooled batches keep the configured size.
func (b *Batch) Free() {
	if cap(b.buf) == b.pool.size {
		b.pool.pool.Put(b)
	}
}

// Pool holds batches of one capacity.
type Pool struct {
	pool sync.Pool
	size int
}

// NewPool makes a pool of batches of size bytes.
func NewPool(size int) *Pool { return &Pool{size: size} }

// Size returns the capacity of its batches, in bytes.
func (p *Pool) Size() int { return p.size }

// Get returns an empty batch with room for the envelope.
func (p *Pool) Get(e *Envelope) *Batch {
	b, ok := p.pool.Get().(*Batch)
	if !ok {
		b = &Batch{buf: make([]byte, 0, p.size), pool: p}
	}
	b.reset(e.Room())
	return b
}
