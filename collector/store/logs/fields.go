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
		m[key] = string(appendLabelName(nil, []byte(key)))
	}
	return m
}

// serviceFrom are the labels that name a service which has no service.name, in Loki's order
// (limits_config.discover_service_name, as far as they are index labels).
var serviceFrom = [...]string{"container_name", "k8s_container_name", "k8s_job_name"}

// Limits of the library. It drops what is over them with a line in its log, or panics; we look first.
const (
	maxRowBytes    = 2 << 20 // as estimated by logstorage.EstimatedJSONRowLen
	maxNameBytes   = 128
	maxStreamValue = 2048 // Loki's max_label_value_length; the library's index takes 64 KiB for all labels of a stream
)

// appendLabelName appends the label that an attribute's key becomes: dots and whatever else a label cannot have
// become underscores, a leading digit gets "key_" and a leading underscore "key", as Loki's OTLP endpoint does.
func appendLabelName(to []byte, key []byte) []byte {
	if len(to) == 0 {
		switch {
		case len(key) == 0:
			return append(to, "key"...)
		case key[0] >= '0' && key[0] <= '9':
			to = append(to, "key_"...)
		case !isNameByte(key[0]) || key[0] == '_':
			to = append(to, "key"...)
		}
	}
	for _, c := range key {
		switch {
		case isNameByte(c):
			to = append(to, c)
		case c < 0x80 || c >= 0xc0: // once for a rune, at its first byte
			to = append(to, '_')
		}
	}
	return to
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

// view returns b as a string without copying it. It is valid only as long as b is not changed: the library's MustAdd
// copies what it is given, so views of a request do not outlive it.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
