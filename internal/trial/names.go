package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/pipeline/config/read"
)

// fieldNames are the fields of OTLP/JSON, of any message.
var fieldNames = strings.Fields(`
	aggregationTemporality arrayValue asDouble asInt attributes body boolValue bucketCounts bytesValue code count dataPoints description
	doubleValue droppedAttributesCount droppedEventsCount droppedLinksCount endTimeUnixNano entityRefs eventName events exemplars explicitBounds
	exponentialHistogram filteredAttributes flags gauge histogram intValue isMonotonic key kind kvlistValue links logRecords max message metadata
	metrics min name negative observedTimeUnixNano offset parentSpanId positive quantile quantileValues resource resourceLogs resourceMetrics
	resourceSpans scale schemaUrl scope scopeLogs scopeMetrics scopeSpans severityNumber severityText spanId spans startTimeUnixNano status
	stringValue sum summary timeUnixNano traceId traceState unit value values version zeroCount zeroThreshold
	descriptionKeys idKeys type stringValueStrindex keyStrindex`)

// checkNames finds a field that OTLP/JSON does not have. A receiver passes over such a field; in a case it is a slip, and the
// case would test something else.
func checkNames(text []byte) (offset int64, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	type level struct{ object, value bool } // value: the next token is one
	var in []level
	for {
		token, err := dec.Token()
		if err != nil {
			return 0, nil // what is no JSON is said elsewhere
		}
		top := len(in) - 1
		switch delim, is := token.(json.Delim); {
		case is && (delim == '}' || delim == ']'):
			in = in[:top]
			continue
		case top >= 0 && in[top].object && !in[top].value:
			in[top].value = true
			if name := token.(string); !slices.Contains(fieldNames, camel(name)) {
				return dec.InputOffset(), fmt.Errorf("OTLP/JSON has no field %q; %s", name, read.Meant(name, fieldNames))
			}
			continue
		case is:
			if top >= 0 {
				in[top].value = false
			}
			in = append(in, level{object: delim == '{'})
			continue
		}
		if top >= 0 {
			in[top].value = false
		}
	}
}

// camel is a name that is written as in the protocol, such as severity_number, as JSON has it. Both are read.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, w := range words[1:] {
		if w != "" {
			words[i+1] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	return strings.Join(words, "")
}
