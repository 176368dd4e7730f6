// Package rows turns OTLP log requests into the rows of the log store. [Encoder] walks a request; [Names] admits
// labels as fields.
//
// Loki's default index attributes are the labels of the row's stream; everything else is structured metadata, in
// fields of the same row.
package rows

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/sluiceio/sluice/wire/loki"
)

// Field names of the library and of ours. They cannot be labels: wire/loki prefixes a label that begins with an
// underscore.
const (
	FieldTime     = "_time"
	FieldLine     = "_msg"
	FieldStream   = "_stream" // the stream's labels, as text
	FieldStreamID = "_stream_id"
	// FieldSeq is the row's write-ahead log number, by which replay finds existing chunks.
	FieldSeq = "_sluice_seq"
	// FieldRest holds labels that are not admitted as fields (see Names).
	FieldRest = "_sluice_rest"
	// FieldLabels lists the row's stream labels, with commas, since other fields may have such names. It allows to
	// group streams without the index, which is slow for many.
	FieldLabels = "_sluice_labels"
	// FieldMarker is on rows that only register a stream. Queries exclude them.
	FieldMarker = "_sluice_marker"
)

const (
	LabelService  = "service_name"
	LabelLevel    = "detected_level"
	unknownValue  = "unknown_service"
	duplicateName = "_extracted" // Loki's suffix for a label that the stream already has
)

// indexAttributes maps resource attributes to stream labels.
var indexAttributes = indexLabels()

func indexLabels() map[string]string {
	m := map[string]string{}
	for _, key := range loki.IndexAttributes() {
		m[key] = string(loki.AppendName(nil, []byte(key)))
	}
	return m
}

// StreamLabels are the possible stream labels, sorted.
func StreamLabels() []string { return slices.Sorted(maps.Values(indexAttributes)) }

// IsNamed reports whether FieldLabels contains a label. Rows of an older store lack the field; all labels count
// there.
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

// FutureLimit is how far in the future a row may be.
const FutureLimit = 24 * time.Hour

// Beyond these limits the library drops rows or panics.
const (
	maxRowBytes    = 2 << 20 // as estimated by logstorage.EstimatedJSONRowLen
	maxNameBytes   = 128
	maxStreamValue = loki.MaxLabelValue // the library's index takes 64 KiB for all labels of a stream
)

// view converts b without a copy, valid until b changes. MustAdd copies, so views do not outlive the request.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// AlwaysField reports whether a label is always its own field.
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
