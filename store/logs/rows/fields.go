// Package rows makes of OTLP log requests the rows that the log store keeps, and says what a row looks like: an
// [Encoder] walks the bytes of a request, [Names] admits labels of structured metadata as fields, and the constants name
// the fields that mean something.
//
// The resource attributes that Loki makes labels by default are the labels of the row's stream; everything else is
// structured metadata, in fields of the same row.
package rows

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/sluiceio/sluice/wire/loki"
)

// Field names of the library's own and of ours. No label can have one of them: a label that would begin with an
// underscore is given a prefix (see wire/loki).
const (
	FieldTime     = "_time"
	FieldLine     = "_msg"
	FieldStream   = "_stream" // the labels of the stream, as text
	FieldStreamID = "_stream_id"
	// FieldSeq numbers the piece of the write-ahead log that a row came from. A start after a crash finds by it which
	// pieces are on disk already.
	FieldSeq = "_sluice_seq"
	// FieldRest holds the labels whose names are not admitted as fields (see Names).
	FieldRest = "_sluice_rest"
	// FieldLabels names the fields that are labels of the row's stream, with commas between them: a row may have others of
	// such names. It is there so that streams can be counted and grouped without their index, which is slow for many.
	FieldLabels = "_sluice_labels"
	// FieldMarker is on rows that only exist to register their stream again after a kill. No query sees them.
	FieldMarker = "_sluice_marker"
)

// Labels with a meaning.
const (
	LabelService  = "service_name"
	LabelLevel    = "detected_level"
	unknownValue  = "unknown_service"
	duplicateName = "_extracted" // what Loki appends to a label that the stream has already
)

// indexAttributes are the resource attributes that become labels of the stream, with their labels.
var indexAttributes = indexLabels()

func indexLabels() map[string]string {
	m := map[string]string{}
	for _, key := range loki.IndexAttributes() {
		m[key] = string(loki.AppendName(nil, []byte(key)))
	}
	return m
}

// StreamLabels are the labels that a stream may have, sorted.
func StreamLabels() []string { return slices.Sorted(maps.Values(indexAttributes)) }

// IsNamed reports whether a value of FieldLabels names a label. Rows without the field, of an older store, have no
// other fields of such names as far as anybody knows.
func IsNamed(labels, label string) bool {
	for labels != "" {
		name, rest, more := strings.Cut(labels, ",")
		if name == label {
			return true
		}
		if !more {
			return false
		}
		labels = rest
	}
	return true
}

var serviceFrom = loki.ServiceFrom()

// FutureLimit is how far ahead of its arrival a row may lie.
const FutureLimit = 24 * time.Hour

// Limits of the library. It drops what is over them with a line in its log, or panics; we look first.
const (
	maxRowBytes    = 2 << 20 // as estimated by logstorage.EstimatedJSONRowLen
	maxNameBytes   = 128
	maxStreamValue = loki.MaxLabelValue // the library's index takes 64 KiB for all labels of a stream
)

// view returns b as a string without copying it. It is valid only as long as b is not changed: the library's MustAdd
// copies what it is given, so views of a request do not outlive it.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// AlwaysField reports whether a label, where a row has it, is a field of its own.
func AlwaysField(label string) bool {
	switch label {
	case LabelLevel, "severity_number", "severity_text", "trace_id", "span_id", "flags", "observed_timestamp", "event_name":
		return true
	}
	for _, l := range indexAttributes {
		if l == label {
			return true
		}
	}
	return false
}
