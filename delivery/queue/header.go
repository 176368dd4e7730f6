package queue

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// header says what a record's body is: a protobuf message, so that a stranger can read it (README).
type header struct {
	signal   pipeline.Signal
	encoding string // Content-Encoding of the body; empty for none
	raw      int    // length of the OTLP request
	tenant   string
	route    string
	// Of dead letters.
	reason, words string
	rejected      int // so many of the items were rejected, and nobody knows which; 0 for all
}

const (
	fieldSignal = iota + 1
	fieldEncoding
	fieldRaw
	fieldTenant
	fieldRoute
	fieldReason
	fieldWords
	fieldRejected
)

var errHeader = errors.New("the header of a stored record cannot be read")

func (h *header) append(dst []byte) []byte {
	dst = wire.AppendUint(dst, fieldSignal, uint64(h.signal))
	dst = wire.AppendString(dst, fieldEncoding, h.encoding)
	dst = wire.AppendUint(dst, fieldRaw, uint64(h.raw))
	for i, text := range []string{h.tenant, h.route, h.reason, h.words} {
		if text != "" {
			dst = wire.AppendString(dst, fieldTenant+i, text)
		}
	}
	if h.rejected > 0 {
		dst = wire.AppendUint(dst, fieldRejected, uint64(h.rejected))
	}
	return dst
}

func parseHeader(b []byte) (h header, err error) {
	texts := map[protowire.Number]*string{
		fieldEncoding: &h.encoding, fieldTenant: &h.tenant, fieldRoute: &h.route, fieldReason: &h.reason, fieldWords: &h.words,
	}
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return h, errHeader
		}
		b = b[n:]
		size := protowire.ConsumeFieldValue(field, typ, b)
		if size < 0 {
			return h, errHeader
		}
		switch text := texts[field]; {
		case text != nil && typ == protowire.BytesType:
			v, _ := protowire.ConsumeBytes(b)
			*text = string(v)
		case field == fieldSignal && typ == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			h.signal = pipeline.Signal(min(v, 255))
		case field == fieldRaw && typ == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			h.raw = int(min(v, 1<<40))
		case field == fieldRejected && typ == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(b)
			h.rejected = int(min(v, 1<<32))
		}
		b = b[size:]
	}
	if h.signal < pipeline.Metrics || h.signal > pipeline.Traces {
		return h, errHeader
	}
	return h, nil
}
