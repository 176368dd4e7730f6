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

// maxJSONDepth limits JSON nesting: pdata has no limit, and Go cannot recover from a stack overflow
// (opentelemetry-collector#15301). It is above what wire accepts: 32 message levels, and a level of a nested attribute value
// is three in JSON.
const maxJSONDepth = 128

// Upper bounds of the memory for transcoding, measured in TestWhatJSONNeeds. Text size alone says little: an empty span
// takes three bytes of JSON and 226 of memory.
const (
	elementBytes = 192 // an object or null in an array: a message, in addition to its comma
	memberBytes  = 64  // an object as a member: most are part of the parent
	commaBytes   = 48  // any array element: a number or string header, and array growth
	textFactor   = 3   // the text, its strings, the protobuf
)

type shape struct {
	end                       int // end of the first document
	elements, members, commas int64
}

func (s shape) need(body []byte) int64 {
	return textFactor*int64(len(body)) + elementBytes*s.elements + memberBytes*s.members + commaBytes*s.commas
}

var errDepth = fmt.Errorf("JSON nests deeper than %d levels", maxJSONDepth)

// transcode converts OTLP/JSON, which ends at end, to protobuf.
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

// FromJSON makes a canonical request of one OTLP/JSON document.
func FromJSON(sig wire.Signal, body []byte) (wire.Request, error) {
	if len(bytes.TrimLeft(body, jsonSpace)) == 0 {
		return nil, errors.New("cannot read OTLP/JSON: there is no document")
	}
	found, err := scan(body)
	if err != nil {
		return nil, err
	}
	proto, err := transcode(sig, body, found.end)
	if err != nil {
		return nil, err
	}
	request, _, err := wire.Check(sig, proto, wire.Limits{})
	return request, err
}

// checkOne refuses more than one value: the parser ignores the rest, which would be lost with a 200. It also refuses null,
// which the parser takes for an empty object.
func checkOne(body []byte, end int) error {
	if text := bytes.TrimLeft(body, jsonSpace); text[0] != '{' {
		return fmt.Errorf("the body begins with %q; a request is one object, in { and }", text[0])
	}
	if len(bytes.TrimLeft(body[end:], jsonSpace)) > 0 {
		return fmt.Errorf("the document ends at byte %d of %d and more follows; send each document as its own request", end, len(body))
	}
	return nil
}

// jsonSpace is the whitespace of RFC 8259.
const jsonSpace = " \t\r\n"

// scan finds the end and shape of the first document, and refuses deep nesting. It only looks at brackets, commas and null
// outside strings; the parser checks the syntax.
func scan(body []byte) (s shape, err error) {
	var array [maxJSONDepth + 1]bool // by depth: is the level an array?
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
