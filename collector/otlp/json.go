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

// jsonFactor is how much more memory the transcoding takes than the JSON text has bytes: pdata's objects.
const jsonFactor = 8

var errDepth = fmt.Errorf("JSON nests deeper than %d levels", maxJSONDepth)

// transcode turns OTLP/JSON into protobuf.
func transcode(sig wire.Signal, body []byte) ([]byte, error) {
	end, err := scan(body)
	if err != nil {
		return nil, err
	}
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

// scan finds the end of the first document and refuses one that nests too deeply, in one pass and without a stack.
// It looks at brackets outside strings only; whether the text is JSON is the parser's business.
func scan(body []byte) (end int, err error) {
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
		case '[', '{':
			if depth++; depth > maxJSONDepth {
				return 0, fmt.Errorf("%w at byte %d", errDepth, i)
			}
		case ']', '}':
			if depth--; depth <= 0 {
				return i + 1, nil
			}
		}
	}
	return len(body), nil
}
