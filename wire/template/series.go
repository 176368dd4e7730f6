package template

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/sluiceio/sluice/wire"
)

// series is one series of the target: a set of labels after relabelling. Several lines may mean the same one.
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

// place says where a series has its bytes.
type place uint8

const (
	placeParked place = iota // nowhere: new, or known but without a sample
	placePoint               // a number point in otlp
	placeMember              // a value of a group
)

// Flags of a series.
const (
	seriesPlain = 1 << iota // never part of a group again: it was not exact, or had a timestamp of its own
	seriesLoose             // has had exemplars: its point is framed anew each time
)

// names are those of a series whose line does not begin with its name: quoted, or renamed by relabelling.
type names struct {
	exposed string // in the exposition
	final   string // after relabelling
}

// parked is a sample of a series that has no bytes in otlp yet.
type parked struct {
	bits uint64
	time uint64
}

// hashSeed makes the hashes of this process its own: an exposition cannot be made to collide. A collision of two
// series of one target would merge them; at a million series that is one chance in 10^7.
//
// It is fixed at start and never written again.
var hashSeed = maphash.MakeSeed()

// The place of a number point's time, from its value, and the length of the point's end: start, time, value and flags,
// each encoded also when it is 0, so that every change of a sample is a patch.
const (
	timeBefore = 9       // from the value back to the time
	pointTail  = 3*9 + 2 // start, time, value with their tags; flags
)

// attrsOf returns the encoded attributes of a series.
func (t *Template) attrsOf(s *series) []byte {
	if s.place == placePoint {
		return t.otlp[s.attrs : s.attrs+s.alen]
	}
	return t.arena[s.attrs : s.attrs+s.alen]
}

// appendAttrs appends the labels of a series but its name as point attributes. The scope says job and instance: a
// label that differs from it is an attribute, and one that the series lacks an empty attribute.
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

// nextAttr splits the first attribute off attrs, which appendAttrs made.
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

// cutAttr appends attrs without the attribute of that name to dst, and returns the value it had.
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

// appendPoint appends a framed number point. Its value ends pointTail-2*9 bytes before the end; see timeBefore.
func appendPoint(dst, attrs []byte, p parked, flags byte) []byte {
	dst = wire.AppendTag(dst, wire.FieldDataPoints, wire.TypeBytes)
	dst = wire.AppendVarint(dst, uint64(len(attrs)+pointTail))
	dst = append(dst, attrs...)
	dst = wire.AppendFixed64(dst, wire.FieldNumberStart, 0)
	dst = wire.AppendFixed64(dst, wire.FieldNumberTime, p.time)
	dst = wire.AppendFixed64(dst, wire.FieldNumberDouble, p.bits)
	return wire.AppendUint(dst, wire.FieldNumberFlags, uint64(flags))
}

// sizePoint is the length of a framed number point with so many bytes of attributes.
func sizePoint(attrs int) int {
	n := attrs + pointTail
	return 1 + wire.SizeVarint(uint64(n)) + n
}

func put64(b []byte, at uint32, v uint64) { binary.LittleEndian.PutUint64(b[at:at+8], v) }

func get64(b []byte, at uint32) uint64 { return binary.LittleEndian.Uint64(b[at : at+8]) }
