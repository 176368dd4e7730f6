package template

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sluiceio/sluice/wire"
)

// series is a label set of the target after relabelling. Several lines may mean the same one.
type series struct {
	hash  uint64 // of the labels, with the seed of the process
	attrs uint32 // where its point attributes begin: in otlp for a number point, in arena otherwise
	alen  uint32 // their length
	val   uint32 // where its value is: in otlp, in values, or in walk.parked
	seen  uint32 // the last scrape that a stale marker would have to end
	wrote uint32 // the last scrape with any sample, where seen does not say so
	group uint32 // of a member: its group
	name  uint32 // index in renamed plus 1, where the line does not begin with the name
	place place
	flags uint8
}

type place uint8

const (
	placeParked place = iota // nowhere: new, or known but without a sample
	placePoint               // a number point in otlp
	placeMember              // a value of a group
)

const (
	seriesPlain = 1 << iota // never part of a group again: it was not exact, or had a timestamp of its own
	seriesLoose             // has had exemplars: its point is framed anew each time
)

// names are for series whose line does not begin with the name: quoted, or renamed by relabelling.
type names struct {
	exposed string // in the exposition
	final   string // after relabelling
}

// parked is a sample of a series without bytes in otlp.
type parked struct {
	bits uint64
	time uint64
}

// hashSeed is random, so that an exposition cannot force collisions. A collision would merge two series of a
// target: one chance in 10^7 at a million series.
var hashSeed = maphash.MakeSeed()

// Offset from a number point's value back to its time, and size of start, time, value and flags. All are encoded
// even if 0, so that every change is a patch.
const (
	timeBefore = 9       // from the value back to the time
	pointTail  = 3*9 + 2 // start, time, value with their tags; flags
)

func (t *Template) attrsOf(s *series) []byte {
	if s.place == placePoint {
		return t.otlp[s.attrs : s.attrs+s.alen]
	}
	return t.arena[s.attrs : s.attrs+s.alen]
}

// appendAttrs appends a series' labels, except the name, as point attributes. job and instance only if they differ
// from the scope's; empty if the series lacks them.
func (t *Template) appendAttrs(dst []byte, lset labels.Labels) []byte {
	job, instance := t.job == "", t.instance == ""
	lset.Range(func(l labels.Label) {
		switch l.Name {
		case model.MetricNameLabel:
			return
		case model.JobLabel:
			job = true
			if l.Value == t.job {
				return
			}
		case model.InstanceLabel:
			instance = true
			if l.Value == t.instance {
				return
			}
		}
		dst = wire.AppendStringAttribute(dst, wire.FieldNumberAttributes, l.Name, l.Value)
	})
	if !job {
		dst = wire.AppendStringAttribute(dst, wire.FieldNumberAttributes, model.JobLabel, "")
	}
	if !instance {
		dst = wire.AppendStringAttribute(dst, wire.FieldNumberAttributes, model.InstanceLabel, "")
	}
	return dst
}

func nextAttr(attrs []byte) (whole, key, val, rest []byte) {
	n, k := binary.Uvarint(attrs[1:])
	end := 1 + k + int(n)
	whole, rest = attrs[:end], attrs[end:]
	kv := whole[1+k:]
	n, k = binary.Uvarint(kv[1:])
	key = kv[1+k : 1+k+int(n)]
	kv = kv[1+k+int(n):] // tag and length of the AnyValue, tag and length of the string
	_, k = binary.Uvarint(kv[1:])
	kv = kv[1+k:]
	_, k = binary.Uvarint(kv[1:])
	return whole, key, kv[1+k:], rest
}

// cutAttr appends attrs without the named one, and returns its value.
func cutAttr(dst, attrs []byte, name string) (_, val []byte, found bool) {
	for len(attrs) > 0 {
		whole, key, v, rest := nextAttr(attrs)
		if string(key) == name {
			val, found = v, true
		} else {
			dst = append(dst, whole...)
		}
		attrs = rest
	}
	return dst, val, found
}

// appendPoint appends a framed number point. See timeBefore for the offsets.
func appendPoint(dst, attrs []byte, p parked, flags byte) []byte {
	dst = wire.AppendTag(dst, wire.FieldDataPoints, wire.TypeBytes)
	dst = wire.AppendVarint(dst, uint64(len(attrs)+pointTail))
	dst = append(dst, attrs...)
	dst = wire.AppendFixed64(dst, wire.FieldNumberStart, 0)
	dst = wire.AppendFixed64(dst, wire.FieldNumberTime, p.time)
	dst = wire.AppendFixed64(dst, wire.FieldNumberDouble, p.bits)
	return wire.AppendUint(dst, wire.FieldNumberFlags, uint64(flags))
}

func sizePoint(attrs int) int {
	n := attrs + pointTail
	return 1 + wire.SizeVarint(uint64(n)) + n
}

func put64(b []byte, at uint32, v uint64) { binary.LittleEndian.PutUint64(b[at:at+8], v) }

func get64(b []byte, at uint32) uint64 { return binary.LittleEndian.Uint64(b[at : at+8]) }
