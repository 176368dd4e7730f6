package trial

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Change is a field that differs.
type Change struct {
	Field string `json:"field"`
	From  any    `json:"-"` // nil: it is not there
	To    any    `json:"-"`
	Old   string `json:"before,omitempty"` // for a person; empty: it is not there
	New   string `json:"after,omitempty"`
}

// changes lists the fields in which two records differ, in order of their names.
func changes(from, to recordOf) []Change {
	return differ(nil, "", map[string]any(from), map[string]any(to))
}

func differ(out []Change, field string, from, to any) []Change {
	if a, is := from.(map[string]any); is {
		if b, is := to.(map[string]any); is {
			keys := maps.Clone(a)
			maps.Copy(keys, b)
			for _, key := range slices.Sorted(maps.Keys(keys)) {
				out = differ(out, below(field, key), a[key], b[key])
			}
			return out
		}
		if to == nil && field != "" && len(a) == 0 {
			return out // an empty map is as good as none
		}
	}
	if b, is := to.(map[string]any); is && from == nil && len(b) == 0 {
		return out
	}
	if a, is := from.([]any); is {
		if b, is := to.([]any); is && len(a) == len(b) {
			for i := range a {
				out = differ(out, fmt.Sprintf("%s[%d]", field, i), a[i], b[i])
			}
			return out
		}
	}
	if show(from) == show(to) {
		return out
	}
	c := Change{Field: field, From: from, To: to}
	if from != nil {
		c.Old = show(from)
	}
	if to != nil {
		c.New = show(to)
	}
	return append(out, c)
}

var plainName = regexp.MustCompile(`^[a-zA-Z]\w*$`)

// below names a field of a field: attributes["http.method"], metric.sum.
func below(field, key string) string {
	switch {
	case field == "":
		return key
	case field == "body" || strings.HasSuffix(field, "ttributes") || strings.HasSuffix(field, `"]`) || !plainName.MatchString(key):
		return field + "[" + strconv.Quote(key) + "]"
	}
	return field + "." + key
}

// anything stands in a wanted part for every value. Where OTLP/JSON wants a number or an id, stand-ins take its place.
const (
	anything       = "<any>"
	anyNumber      = "7777777777777777777"
	anyDouble      = "7777777777777778000"
	anyID          = "7777777777777777"
	anythingQuoted = `"` + anything + `"`
)

var anyField = regexp.MustCompile(`"(\w+)"(\s*):(\s*)` + anythingQuoted)

// standIns makes a wanted text readable as OTLP/JSON.
func standIns(text []byte) []byte {
	return anyField.ReplaceAllFunc(text, func(field []byte) []byte {
		m := anyField.FindSubmatch(field)
		value := anythingQuoted
		switch key := string(m[1]); {
		case key == "body", key == "value":
			value = `{"stringValue":` + anythingQuoted + `}`
		case key == "traceId":
			value = `"` + anyID + anyID + `"`
		case key == "spanId", key == "parentSpanId":
			value = `"` + anyID + `"`
		case slices.Contains([]string{"asDouble", "doubleValue", "sum", "min", "max"}, key):
			value = anyNumber
		case strings.HasSuffix(key, "UnixNano"), slices.Contains([]string{"intValue", "asInt", "count"}, key):
			value = `"` + anyNumber + `"`
		}
		return []byte(`"` + string(m[1]) + `":` + value)
	})
}

func matchesAny(want, got any) bool {
	if got == nil {
		return false
	}
	switch text := fmt.Sprint(want); strings.TrimSuffix(text, ".0") {
	case anything, anyNumber, anyDouble, anyID, anyID + anyID:
		return true
	}
	return false
}

// against lists how got differs from what is wanted.
func (r recordOf) against(want recordOf) []Change {
	return slices.DeleteFunc(changes(want, r), func(c Change) bool { return matchesAny(c.From, c.To) })
}

// mostRecords is how many records a report shows.
const mostRecords = 5

// report says how records differ from the wanted ones; empty when they do not. Records may be more or fewer: what is equal
// at the beginning and at the end is left out.
func report(want, got []recordOf) (lines []string) {
	begin := 0
	for begin < min(len(want), len(got)) && len(got[begin].against(want[begin])) == 0 {
		begin++
	}
	end := 0
	for end < min(len(want), len(got))-begin && len(got[len(got)-1-end].against(want[len(want)-1-end])) == 0 {
		end++
	}
	shown := 0
	for i := begin; i < max(len(want), len(got))-end; i++ {
		var text []string
		switch {
		case i >= len(got)-end:
			text = []string{fmt.Sprintf("record %d is missing: %s", i+1, want[i].title())}
		case i >= len(want)-end:
			text = []string{fmt.Sprintf("record %d is not wanted: %s", i+1, got[i].title())}
		default:
			text = differing(i, want[i], got[i])
		}
		if text == nil {
			continue
		}
		if shown++; shown > mostRecords {
			return append(lines, "... and more")
		}
		lines = append(lines, text...)
	}
	return lines
}

func differing(i int, want, got recordOf) (lines []string) {
	list := got.against(want)
	if len(list) == 0 {
		return nil
	}
	lines = []string{fmt.Sprintf("record %d: %s", i+1, got.title())}
	for _, c := range list {
		lines = append(lines, fmt.Sprintf("    %s: want %s, got %s", c.Field, show(c.From), show(c.To)))
	}
	return lines
}
