package answer

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"mime"
	"time"

	"github.com/sluiceio/sluice/internal/backoff"
	"github.com/sluiceio/sluice/pipeline"
)

// PartialSuccess reads the rejected count and message of an Export{Metrics,Logs,Trace}ServiceResponse. Anything
// else counts as full success. The message aliases body.
func PartialSuccess(body []byte) (items int64, message []byte) {
	for pos := 0; pos < len(body); {
		f, next, ok := readField(body, pos)
		if !ok {
			return 0, nil
		}
		pos = next
		if f.number == 1 && f.wiretype == 2 {
			items, message = partial(f.bytes, items, message)
		}
	}
	return items, message
}

func partial(b []byte, items int64, message []byte) (int64, []byte) {
	for pos := 0; pos < len(b); {
		f, next, ok := readField(b, pos)
		if !ok {
			return 0, nil
		}
		pos = next
		switch {
		case f.number == 1 && f.wiretype == 0:
			items = int64(f.value)
		case f.number == 2 && f.wiretype == 2:
			message = f.bytes
		}
	}
	return items, message
}

type protoField struct {
	number   uint64
	wiretype uint8
	value    uint64 // varint
	bytes    []byte // length-delimited
}

// readField reads the field at pos. Unlike wire's cursors it is safe on unvalidated bytes.
func readField(b []byte, pos int) (f protoField, next int, ok bool) {
	tag, n := binary.Uvarint(b[pos:])
	if n <= 0 || tag>>3 == 0 {
		return f, 0, false
	}
	pos += n
	f.number, f.wiretype = tag>>3, uint8(tag&7)
	switch f.wiretype {
	case 0:
		f.value, n = binary.Uvarint(b[pos:])
		return f, pos + n, n > 0
	case 1:
		return f, pos + 8, len(b)-pos >= 8
	case 2:
		size, n := binary.Uvarint(b[pos:])
		if n <= 0 || size > uint64(len(b)-pos-n) {
			return f, 0, false
		}
		f.bytes = b[pos+n : pos+n+int(size)]
		return f, pos + n + int(size), true
	case 5:
		return f, pos + 4, len(b)-pos >= 4
	}
	return f, 0, false
}

// jsonPartial is a partial success in protobuf JSON: 64-bit numbers may be strings or have an exponent, and names
// may be those of the proto file.
type jsonPartial struct {
	Camel jsonCounts `json:"partialSuccess"`
	Snake jsonCounts `json:"partial_success"`
}

type jsonCounts struct {
	Points       json.Number `json:"rejectedDataPoints"`
	Logs         json.Number `json:"rejectedLogRecords"`
	Spans        json.Number `json:"rejectedSpans"`
	Message      string      `json:"errorMessage"`
	SnakePoints  json.Number `json:"rejected_data_points"`
	SnakeLogs    json.Number `json:"rejected_log_records"`
	SnakeSpans   json.Number `json:"rejected_spans"`
	SnakeMessage string      `json:"error_message"`
}

// PartialSuccessJSON is PartialSuccess for an answer in JSON.
func PartialSuccessJSON(body []byte) (items int64, message []byte) {
	var p jsonPartial
	if json.Unmarshal(body, &p) != nil {
		return 0, nil
	}
	for _, c := range []jsonCounts{p.Camel, p.Snake} {
		for _, n := range []json.Number{c.Points, c.Logs, c.Spans, c.SnakePoints, c.SnakeLogs, c.SnakeSpans} {
			if v, err := n.Float64(); err == nil && v > 0 && v < 1<<53 {
				items += int64(v)
			}
		}
		message = append(append(message, c.Message...), c.SnakeMessage...)
	}
	return items, message
}

// PartialHTTP is Partial for an answer over HTTP, protobuf or JSON.
func (o *Outcome) PartialHTTP(contentType string, body []byte, words func(string) string) {
	read := PartialSuccess
	kind, _, err := mime.ParseMediaType(contentType)
	// The protobuf answer cannot begin with a brace, so unlabelled JSON is recognised too.
	if err == nil && kind == "application/json" || len(body) > 0 && body[0] == '{' {
		read = PartialSuccessJSON
	}
	items, message := read(body)
	o.partial(items, message, words)
}

// Partial looks for a partial success in the body of a successful OTLP answer. words sanitises the message.
func (o *Outcome) Partial(body []byte, words func(string) string) {
	items, message := PartialSuccess(body)
	o.partial(items, message, words)
}

func (o *Outcome) partial(items int64, message []byte, words func(string) string) {
	if items <= 0 {
		if len(message) > 0 {
			o.Err = fmt.Errorf("the destination took everything and says: %s", words(string(message)))
		}
		return
	}
	o.Items = int(min(items, math.MaxInt32))
	o.Reason = pipeline.DropRejected
	o.Err = fmt.Errorf("the destination rejected %d items: %s", items, words(string(message)))
}

// RetryInfo reads the delay of a google.rpc.RetryInfo.
func RetryInfo(body []byte) (delay time.Duration) {
	for pos := 0; pos < len(body); {
		f, next, ok := readField(body, pos)
		if !ok {
			return 0
		}
		pos = next
		if f.number == 1 && f.wiretype == 2 {
			delay = duration(f.bytes)
		}
	}
	return delay
}

// duration reads a google.protobuf.Duration, capped at backoff.MaxAsked.
func duration(b []byte) time.Duration {
	var seconds, nanos int64
	for pos := 0; pos < len(b); {
		f, next, ok := readField(b, pos)
		if !ok {
			return 0
		}
		pos = next
		switch {
		case f.wiretype == 0 && f.number == 1:
			seconds = int64(f.value)
		case f.wiretype == 0 && f.number == 2:
			nanos = int64(int32(f.value))
		}
	}
	if seconds >= int64(backoff.MaxAsked/time.Second) {
		return backoff.MaxAsked
	}
	return max(time.Duration(max(seconds, 0))*time.Second+time.Duration(nanos), 0)
}

// StatusMessage reads the message of a google.rpc.Status.
func StatusMessage(body []byte) string {
	for pos := 0; pos < len(body); {
		f, next, ok := readField(body, pos)
		if !ok {
			return ""
		}
		if f.number == 2 && f.wiretype == 2 {
			return string(f.bytes)
		}
		pos = next
	}
	return ""
}
