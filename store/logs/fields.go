package logs

import (
	"unsafe"

	"github.com/sluiceio/sluice/wire/loki"
)

// Field names of the library's own and of ours. No label can have one of them: a label that would begin with an
// underscore is given a prefix (see labelName).
const (
	fieldTime     = "_time"
	fieldLine     = "_msg"
	fieldStream   = "_stream" // the labels of the stream, as text
	fieldStreamID = "_stream_id"
	// fieldSeq numbers the piece of the write-ahead log that a row came from. A start after a crash finds by it which
	// pieces are on disk already.
	fieldSeq = "_sluice_seq"
	// fieldRest holds the labels whose names are not admitted as fields (see names.go).
	fieldRest = "_sluice_rest"
	// fieldMarker is on rows that only exist to register their stream again (see heal.go). No query sees them.
	fieldMarker = "_sluice_marker"
)

// Labels with a meaning.
const (
	labelService  = "service_name"
	labelLevel    = "detected_level"
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

var serviceFrom = loki.ServiceFrom()

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
