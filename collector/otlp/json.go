package otlp

import (
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
	if err := scanDepth(body); err != nil {
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
	return req.MarshalProto()
}

// scanDepth refuses a body that nests too deeply, in one pass and without a stack. It looks at brackets outside
// strings only; whether the text is JSON is the parser's business.
func scanDepth(body []byte) error {
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
				return fmt.Errorf("%w at byte %d", errDepth, i)
			}
		case ']', '}':
			depth--
		}
	}
	return nil
}
