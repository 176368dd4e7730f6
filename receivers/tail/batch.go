package tail

import (
	"encoding/binary"
	"sync"

	"github.com/sluiceio/sluice/wire"
)

// batch is an export request that is written while it is read: log records are appended behind room for the
// envelope, and seal writes the envelope right before them. Nothing moves twice.
type batch struct {
	buf   []byte // room, then LogRecords as fields of ScopeLogs
	room  int    // bytes of room
	limit int    // fits says no before buf would pass this
	items int

	request wire.Request // set by seal; a part of buf
	pool    *batchPool   // where it came from
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
func (b *batch) reset(room int) {
	*b = batch{buf: b.buf[:room], room: room, limit: cap(b.buf), pool: b.pool}
}

// fits says whether a record of n body bytes goes in. An empty batch takes anything.
func (b *batch) fits(n int) bool {
	return len(b.buf)+recordMax+n <= b.limit || b.items == 0
}

// add appends a record. time is 0 when the line bears none; attributes are encoded already; body is valid UTF-8.
func (b *batch) add(time, observed uint64, attributes, body []byte) {
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

// seal completes the request.
func (b *batch) seal(e *envelope) {
	b.request = e.seal(b.buf, b.room)
}

// batchPool keeps batches of one capacity.
type batchPool struct {
	pool sync.Pool
	size int
}

func (p *batchPool) get() *batch {
	if b, ok := p.pool.Get().(*batch); ok {
		return b
	}
	return &batch{buf: make([]byte, 0, p.size), pool: p}
}

// put takes a batch back. One that grew (a line longer than the batch, repaired to something longer) is left to
// the collector, so that the pool's size is what the configuration says.
func (p *batchPool) put(b *batch) {
	if cap(b.buf) == p.size {
		p.pool.Put(b)
	}
}
