package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
	"github.com/sluiceio/sluice/wire/otlpjson"
)

// A recordOf is a log record, span or data point with what is around it, as nested maps: "resource", "scope", "metric", and
// the record's own fields beside them. Attributes are maps, so their order does not matter.
type recordOf map[string]any

// Typed values, so that 1, 1.0 and "1" differ.
type (
	number string // also of a double, which then has a point
	base64 string
)

// levels are the names of the messages of a signal.
var levels = map[pipeline.Signal][3]string{
	pipeline.Logs:    {"resourceLogs", "scopeLogs", "logRecords"},
	pipeline.Traces:  {"resourceSpans", "scopeSpans", "spans"},
	pipeline.Metrics: {"resourceMetrics", "scopeMetrics", "metrics"},
}

// records lists the records of a request, in order. With headers, a resource or scope without records is one, too.
func records(signal pipeline.Signal, request wire.Request, headers bool) (out []recordOf) {
	dec := json.NewDecoder(strings.NewReader(string(otlpjson.Append(nil, signal, request))))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		panic("BUG: OTLP/JSON of our own cannot be read: " + err.Error())
	}
	names := levels[signal]
	for _, rx := range list(doc[names[0]]) {
		resource := around("resource", rx)
		scopes := list(rx[names[1]])
		for _, sx := range scopes {
			scope := around("scope", sx)
			maps.Copy(scope, resource)
			items := list(sx[names[2]])
			for _, item := range items {
				out = append(out, itemRecords(signal, item, scope)...)
			}
			if len(items) == 0 && headers {
				out = append(out, scope)
			}
		}
		if len(scopes) == 0 && headers {
			out = append(out, resource)
		}
	}
	return out
}

// around is a message around records, without the messages in it.
func around(name string, x map[string]any) recordOf {
	out := recordOf{}
	if m, is := x[name].(map[string]any); is && len(m) > 0 {
		out[name] = plain(m)
	}
	if url, has := x["schemaUrl"]; has {
		out[name+"SchemaUrl"] = url
	}
	return out
}

func itemRecords(signal pipeline.Signal, item map[string]any, scope recordOf) (out []recordOf) {
	with := func(fields map[string]any, metric any) {
		r := recordOf{}
		for key, v := range plain(fields).(map[string]any) {
			r[key] = v
		}
		maps.Copy(r, scope)
		if metric != nil {
			r["metric"] = metric
		}
		out = append(out, r)
	}
	if signal != pipeline.Metrics {
		with(item, nil)
		return out
	}
	metric := maps.Clone(item)
	var points []map[string]any
	for _, kind := range []string{"gauge", "sum", "histogram", "exponentialHistogram", "summary"} {
		if data, is := metric[kind].(map[string]any); is {
			points = list(data["dataPoints"])
			data = maps.Clone(data)
			delete(data, "dataPoints")
			metric[kind] = data
		}
	}
	for _, p := range points {
		with(p, plain(metric))
	}
	return out
}

func list(v any) (out []map[string]any) {
	items, _ := v.([]any)
	for _, item := range items {
		if m, is := item.(map[string]any); is {
			out = append(out, m)
		}
	}
	return out
}

// plain makes maps of attributes, and values of AnyValues.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, below := range v {
			switch key {
			case "attributes", "filteredAttributes", "metadata":
				out[key] = attributes(below)
			case "body":
				out[key] = anyValue(below)
			default:
				out[key] = plain(below)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

func attributes(v any) map[string]any {
	out := map[string]any{}
	for _, kv := range list(v) {
		key, _ := kv["key"].(string)
		for n := 2; ; n++ { // a key that is there twice
			if _, has := out[key]; !has {
				break
			}
			key = fmt.Sprintf("%s#%d", kv["key"], n)
		}
		out[key] = anyValue(kv["value"])
	}
	return out
}

func anyValue(v any) any {
	m, _ := v.(map[string]any)
	for kind, x := range m {
		switch kind {
		case "intValue":
			return number(fmt.Sprint(x))
		case "doubleValue":
			return double(fmt.Sprint(x))
		case "bytesValue":
			return base64(fmt.Sprint(x))
		case "arrayValue":
			values, _ := x.(map[string]any)
			out := []any{}
			for _, e := range list(values["values"]) {
				out = append(out, anyValue(e))
			}
			return out
		case "kvlistValue":
			values, _ := x.(map[string]any)
			return attributes(values["values"])
		}
		return x // stringValue, boolValue
	}
	return nil
}

func double(text string) number {
	if _, err := strconv.Atoi(text); err == nil {
		return number(text + ".0")
	}
	return number(text)
}

// show writes a value in one line.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nothing"
	case string:
		return strconv.Quote(v)
	case number:
		return string(v)
	case base64:
		return "bytes " + string(v)
	case []any:
		var parts []string
		for _, e := range v {
			parts = append(parts, show(e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case recordOf:
		return show(map[string]any(v))
	case map[string]any:
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, key+": "+show(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// title says which record it is, for a person.
func (r recordOf) title() string {
	if m, is := r["metric"].(map[string]any); is {
		if r["attributes"] == nil {
			return short(fmt.Sprint(m["name"]))
		}
		return short(fmt.Sprint(m["name"]) + " " + show(r["attributes"]))
	}
	for _, key := range []string{"body", "name"} {
		if v, has := r[key]; has {
			return short(show(v))
		}
	}
	return short(show(r["attributes"]))
}

const shortest = 80

func short(text string) string {
	if runes := []rune(text); len(runes) > shortest {
		return string(runes[:shortest]) + "..."
	}
	return text
}
