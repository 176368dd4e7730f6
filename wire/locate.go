package wire

import (
	"strconv"
	"strings"
)

// names are the field names of each message in order of number; a dash is an unused number. For error paths only.
var names = [messageCount]string{
	msgMetricsRequest:  "resource_metrics",
	msgResourceMetrics: "resource scope_metrics schema_url",
	msgScopeMetrics:    "scope metrics schema_url",
	msgMetric: "name description unit - gauge - sum - histogram exponential_histogram " +
		"summary metadata",
	msgGauge:       "data_points",
	msgSum:         "data_points aggregation_temporality is_monotonic",
	msgHistogram:   "data_points aggregation_temporality",
	msgExponential: "data_points aggregation_temporality",
	msgSummary:     "data_points",
	msgNumberPoint: "- start_time_unix_nano time_unix_nano as_double exemplars as_int attributes flags",
	msgHistogramPoint: "- start_time_unix_nano time_unix_nano count sum bucket_counts explicit_bounds exemplars " +
		"attributes flags min max",
	msgExponentialPoint: "attributes start_time_unix_nano time_unix_nano count sum scale zero_count positive " +
		"negative flags exemplars min max zero_threshold",
	msgBuckets:      "offset bucket_counts",
	msgSummaryPoint: "- start_time_unix_nano time_unix_nano count sum quantile_values attributes flags",
	msgQuantile:     "quantile value",
	msgExemplar:     "- time_unix_nano as_double span_id trace_id as_int filtered_attributes",
	msgLogsRequest:  "resource_logs",
	msgResourceLogs: "resource scope_logs schema_url",
	msgScopeLogs:    "scope log_records schema_url",
	msgLogRecord: "time_unix_nano severity_number severity_text - body attributes dropped_attributes_count flags " +
		"trace_id span_id observed_time_unix_nano event_name",
	msgTracesRequest: "resource_spans",
	msgResourceSpans: "resource scope_spans schema_url",
	msgScopeSpans:    "scope spans schema_url",
	msgSpan: "trace_id span_id trace_state parent_span_id name kind start_time_unix_nano end_time_unix_nano " +
		"attributes dropped_attributes_count events dropped_events_count links dropped_links_count status flags",
	msgEvent:     "time_unix_nano name attributes dropped_attributes_count",
	msgLink:      "trace_id span_id trace_state attributes dropped_attributes_count flags",
	msgStatus:    "- message code",
	msgResource:  "attributes dropped_attributes_count entity_refs",
	msgEntityRef: "schema_url type id_keys description_keys",
	msgScope:     "name version attributes dropped_attributes_count",
	msgKeyValue:  "key value key_strindex",
	msgValue: "string_value bool_value int_value double_value array_value kvlist_value bytes_value " +
		"string_value_strindex",
	msgArray: "values",
	msgMap:   "values",
}

func fieldName(m message, num int) string {
	if num == deprecatedScope && scopeOf(m) != msgNone {
		return "deprecated_" + fieldName(m, FieldResourceXScope)
	}
	if all := strings.Fields(names[m]); num >= 1 && num <= len(all) && all[num-1] != "-" {
		return all[num-1]
	}
	return "field " + strconv.Itoa(num)
}

// locate returns the path of the field at the offset. Everything before it must be well-formed.
func locate(m message, body []byte, at int) string {
	var path []byte
	for pos, end := 0, len(body); pos <= at && pos < end; {
		var index [slots]int
		deprecated := 0
		for pos < end {
			tag, start := longUvarint(body[:end], pos)
			if tag == 0 && body[pos] != 0 {
				return string(path) // the tag itself is cut short or too long
			}
			num := int(tag >> 3)
			var f field
			count := &deprecated
			if num < slots {
				f, count = schemas[m][num], &index[num]
			} else if num == deprecatedScope && scopeOf(m) != msgNone {
				f = many(scopeOf(m))
			}
			next, payload := end, end
			if pos != at || f.sub() != msgNone && tag&7 == TypeBytes {
				next = skipIrregular(body[:end], pos)
				_, payload = longUvarint(body[:end], start)
			}
			if at >= next {
				*count++
				pos = next
				continue
			}
			if len(path) > 0 {
				path = append(path, '.')
			}
			path = append(path, fieldName(m, num)...)
			if f.kind() != kindUnknown && f.slot() == 0 {
				path = append(path, '[')
				path = strconv.AppendInt(path, int64(*count), 10)
				path = append(path, ']')
			}
			if f.sub() == msgNone || tag&7 != TypeBytes || at < payload {
				return string(path)
			}
			m, pos, end = f.sub(), payload, next
			break
		}
	}
	return string(path)
}

// skipIrregular is skip for padded varints.
func skipIrregular(b []byte, pos int) int {
	f := scan{b: b, pos: pos}
	if !f.next() {
		return len(b)
	}
	return f.pos
}
