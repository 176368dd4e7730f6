package queue

import (
	"fmt"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// A Header says what a stored record is, for tools that read a queue from outside.
type Header struct {
	Signal        pipeline.Signal
	Encoding      string // Content-Encoding of the body; empty for none
	Size          int    // of the OTLP request, in bytes
	Tenant, Route string
	// Of dead letters.
	Reason, Words string
	Rejected      int // so many of the items were rejected, and nobody knows which: the others were taken. 0 for all
}

// ParseHeader reads the header of a record of a lane, or of a dead letter.
func ParseHeader(b []byte) (Header, error) {
	h, err := parseHeader(b)
	return Header{h.signal, h.encoding, h.raw, h.tenant, h.route, h.reason, h.words, h.rejected}, err
}

// maxRequest bounds what a header makes us inflate.
const maxRequest = 1 << 30

// Request is the OTLP request of a record with this header, inflated and checked: it may be read with package wire.
func (h Header) Request(body []byte) ([]byte, error) {
	if h.Encoding != "" {
		plain, err := inflate.Bytes(nil, body, h.Encoding, inflate.Limits{Max: min(max(h.Size, 1), maxRequest)})
		if err != nil {
			return nil, fmt.Errorf("cannot inflate a stored record: %w", err)
		}
		body = plain
	}
	if len(body) != h.Size {
		return nil, fmt.Errorf("a stored record has %d bytes, and its header says %d", len(body), h.Size)
	}
	req, _, err := wire.Check(h.Signal, body, wire.Limits{})
	if err != nil {
		return nil, fmt.Errorf("a stored record is no OTLP: %w", err)
	}
	return req, nil
}
