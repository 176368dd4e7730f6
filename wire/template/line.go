package template

import (
	"fmt"
	"mime"
	"unsafe"
)

// line is the record of a line of the last body, or of a run of comments.
type line struct {
	off  uint32 // where it begins in Template.body
	n    uint32 // its length with the newline
	key  uint32 // the bytes before the value; n when there is no value
	ref  uint32 // the series; of comments, the typeCode of the last TYPE among them
	kind kind
	flag uint8

	lively bool // the value moved last time
}

type kind uint8

const (
	kindMeta    kind = iota // comments and empty lines
	kindPoint               // a number point, stamped with the scrape's time
	kindMember              // a line of a histogram or summary
	kindDropped             // dropped by relabelling
	kindSlow                // anything that takes more than a value: see the flags
	kindEnd                 // # EOF
)

const (
	flagTwice    = 1 << iota // the same text before the value occurs more than once in the body
	flagShared               // another line means the same series, and its value is the one in otlp
	flagStamped              // had a timestamp that was honoured
	flagExemplar             // had an exemplar
	flagBare                 // no blank or brace ends its name: nothing can be concluded from equal bytes
	flagUsed                 // of a line of the last body: found in this one
)

const (
	lineSize   = int(unsafe.Sizeof(line{}))
	seriesSize = int(unsafe.Sizeof(series{}))
	metricSize = int(unsafe.Sizeof(metric{}))
	groupSize  = int(unsafe.Sizeof(group{}))
)

type format uint8

const (
	formatNone format = iota
	formatText
	formatOpenMetrics
)

// formatOf tells the format from a Content-Type by Prometheus 3's rules: a missing or unknown type needs a
// fallback.
func (t *Template) formatOf(contentType string) (format, error) {
	if contentType == t.contentType && t.format != formatNone {
		return t.format, nil
	}
	if contentType != "" {
		if media, _, err := mime.ParseMediaType(contentType); err == nil {
			if f := formatOfMedia(media); f != formatNone {
				return f, nil
			}
			if media == "application/vnd.google.protobuf" {
				return formatNone, fmt.Errorf("%w: the target answers in protobuf, which was not asked for", ErrFormat)
			}
		}
	}
	if f := formatOfMedia(t.set.Fallback); f != formatNone {
		return f, nil
	}
	return formatNone, fmt.Errorf("%w: Content-Type is %q; set fallback_scrape_protocol", ErrFormat, contentType)
}

func formatOfMedia(media string) format {
	switch media {
	case "text/plain":
		return formatText
	case "application/openmetrics-text":
		return formatOpenMetrics
	}
	return formatNone
}

// splitLine finds the series, which ends at ser, and the value at val. It is only a guess for the lookup; otherwise
// Prometheus' parser decides.
func splitLine(b []byte, f format) (ser, val int, ok bool) {
	i := 0
	if f == formatText {
		i = skipBlanks(b, 0)
	}
	begin := i
	for i < len(b) && isNameByte(b[i]) {
		i++
	}
	ser = i
	if f == formatText {
		i = skipBlanks(b, i)
	}
	switch {
	case i < len(b) && b[i] == '{':
		if i = skipLabels(b, i+1); i < 0 {
			return 0, 0, false
		}
		ser = i
	case ser == begin || ser == i && f == formatText:
		return 0, 0, false
	}
	if f == formatOpenMetrics {
		if ser >= len(b) || b[ser] != ' ' {
			return 0, 0, false
		}
		return ser, ser + 1, ser+1 < len(b)
	}
	val = skipBlanks(b, ser)
	return ser, val, val < len(b)
}

func skipLabels(b []byte, i int) int {
	for i < len(b) {
		switch b[i] {
		case '}':
			return i + 1
		case '\n':
			return -1
		case '"':
			i++
			for i < len(b) && b[i] != '"' {
				if b[i] == '\\' {
					i++
				}
				i++
			}
			if i >= len(b) {
				return -1
			}
		}
		i++
	}
	return -1
}

func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

func isNameByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == ':'
}

// rawOf is the text of a series without the blanks before the value.
func rawOf(body []byte, l *line) []byte {
	raw := body[l.off : l.off+l.key]
	for len(raw) > 0 && (raw[len(raw)-1] == ' ' || raw[len(raw)-1] == '\t') {
		raw = raw[:len(raw)-1]
	}
	return raw
}
