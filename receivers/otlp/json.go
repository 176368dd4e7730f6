package otlp

import (
	"bytes"
	"errors"
	"fmt"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/sluiceio/sluice/wire"
)

// maxJSONDepth is how deep a JSON body may nest. One level of a nested attribute value is three of JSON, and wire
// refuses more than 32 levels of messages, so this refuses nothing that wire would take. pdata has no limit, and
// a Go stack overflow cannot be recovered (opentelemetry-collector#15301).
const maxJSONDepth = 128

// What the transcoding holds at most, measured with the largest message of each place (TestWhatJSONNeeds). The size of
// the text says nothing: an empty span is three bytes of JSON and 226 of memory, a record of a usual log less than its
// text.
const (
	elementBytes = 192 // an object or null that is an element of an array: a message of its own, beside its comma
	memberBytes  = 64  // an object that is a member of another: most are part of it
	commaBytes   = 48  // an element of any kind: a number or a string header, and the array that grew
	textFactor   = 3   // the text itself, its strings, the protobuf
)

// shape is what scan finds.
type shape struct {
	end                       int // where the first document ends
	elements, members, commas int64
}

// need is how many bytes the transcoding of the body of that shape holds at most.
func (s shape) need(body []byte) int64 {
	return textFactor*int64(len(body)) + elementBytes*s.elements + memberBytes*s.members + commaBytes*s.commas
}

var errDepth = fmt.Errorf("JSON nests deeper than %d levels", maxJSONDepth)

// transcode turns OTLP/JSON, whose first document ends at end, into protobuf.
func transcode(sig wire.Signal, body []byte, end int) ([]byte, error) {
	var req interface {
		UnmarshalJSON([]byte) error
		MarshalProto() ([]byte, error)
	}
	switch sig {
	case wire.Logs:
		req = plogotlp.NewExportRequest()
	case wire.Metrics:
		req = pmetricotlp.NewExportRequest()
	case wire.Traces:
		req = ptraceotlp.NewExportRequest()
	default:
		return nil, errors.New("unknown signal")
	}
	if err := req.UnmarshalJSON(body); err != nil {
		return nil, fmt.Errorf("cannot read OTLP/JSON: %w", err)
	}
	if err := checkOne(body, end); err != nil {
		return nil, fmt.Errorf("cannot read OTLP/JSON: %w", err)
	}
	return req.MarshalProto()
}

// checkOne refuses what the parser does not look at: it reads one value and leaves the rest, which would be answered
// 200 and lost. end is where the first object ends. The parser takes null for an empty object, too.
func checkOne(body []byte, end int) error {
	if text := bytes.TrimLeft(body, jsonSpace); text[0] != '{' {
		return fmt.Errorf("the body begins with %q; a request is one object, in { and }", text[0])
	}
	if len(bytes.TrimLeft(body[end:], jsonSpace)) > 0 {
		return fmt.Errorf("the document ends at byte %d of %d and more follows; send each document as its own request", end, len(body))
	}
	return nil
}

// jsonSpace is what RFC 8259 lets stand around a document.
const jsonSpace = " \t\r\n"

// scan finds the end of the first document and what its transcoding needs, and refuses one that nests too deeply, in
// one pass. It looks at brackets, commas and null outside strings only; whether the text is JSON is the parser's
// business.
func scan(body []byte) (s shape, err error) {
	var array [maxJSONDepth + 1]bool // by depth: whether that level is an array
	depth, inString := 0, false
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case ',':
			if array[depth] {
				s.commas++
			}
		case 'n':
			if array[depth] {
				s.elements++
			}
		case '[', '{':
			if array[depth] {
				s.elements++
			} else {
				s.members++
			}
			if depth++; depth > maxJSONDepth {
				return s, fmt.Errorf("%w at byte %d", errDepth, i)
			}
			array[depth] = c == '['
		case ']', '}':
			if depth--; depth <= 0 {
				s.end = i + 1
				return s, nil
			}
		}
	}
	s.end = len(body)
	return s, nil
}
