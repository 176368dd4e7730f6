package record

import (
	"encoding/binary"
	"sync"

	"github.com/sluiceio/sluice/wire"
)

// Batch is an export request that is written while it is read: log records are appended behind room for the
// envelope, and Seal writes the envelope right before them. Nothing moves twice.
type Batch struct {
	buf   []byte // room, then LogRecords as fields of ScopeLogs
	room  int    // bytes of room
	limit int    // fits says no before buf would pass this
	items int

	request wire.Request // set by Seal; a part of buf
	pool    *Pool        // where it came from
}

// Tags of the fields that a record is made of, as bytes.
const (
	tagItem     = wire.FieldScopeXItem<<3 | wire.TypeBytes
	tagTime     = wire.FieldLogTime<<3 | wire.TypeFixed64
	tagBody     = wire.FieldLogBody<<3 | wire.TypeBytes
	tagString   = wire.FieldValueString<<3 | wire.TypeBytes
	tagObserved = wire.FieldLogObservedTime<<3 | wire.TypeFixed64
)

const (
	fixedSize = 1 + 8 // tag and value of a fixed64 field

	// recordMax is what a record takes beside its body at most: the two times, the tags, the lengths and the
	// longest of the attribute sets.
	recordMax = 2*fixedSize + 3*(1+5) + 80
)

// reset makes the batch empty, with room for the envelope.
func (b *Batch) reset(room int) {
	*b = Batch{buf: b.buf[:room], room: room, limit: cap(b.buf), pool: b.pool}
}

// fits says whether a record of n body bytes goes in. An empty batch takes anything.
func (b *Batch) fits(n int) bool {
	return len(b.buf)+recordMax+n <= b.limit || b.items == 0
}

// add appends a record. time is 0 when the line bears none; attributes are encoded already; body is valid UTF-8.
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

// Seal completes the request.
func (b *Batch) Seal(e *Envelope) {
	b.request = e.seal(b.buf, b.room)
}

// Request is the sealed request. It is good until Free.
func (b *Batch) Request() wire.Request { return b.request }

// Items is how many records it holds.
func (b *Batch) Items() int { return b.items }

// Left is how many bytes go in before it is full, the records' framing included.
func (b *Batch) Left() int { return b.limit - len(b.buf) }

// Size is the memory that it was made with: the size of its pool.
func (b *Batch) Size() int { return b.pool.size }

// Free gives the batch back to its pool. One that grew (a line longer than the batch, repaired to something longer) is
// left to the garbage collector, so that the pool's size is what the configuration says.
func (b *Batch) Free() {
	if cap(b.buf) == b.pool.size {
		b.pool.pool.Put(b)
	}
}

// Pool keeps batches of one capacity.
type Pool struct {
	pool sync.Pool
	size int
}

// NewPool makes a pool of batches of size bytes.
func NewPool(size int) *Pool { return &Pool{size: size} }

// Size is the capacity of its batches, in bytes.
func (p *Pool) Size() int { return p.size }

// Get gives an empty batch with room for the envelope.
func (p *Pool) Get(e *Envelope) *Batch {
	b, ok := p.pool.Get().(*Batch)
	if !ok {
		b = &Batch{buf: make([]byte, 0, p.size), pool: p}
	}
	b.reset(e.Room())
	return b
}
