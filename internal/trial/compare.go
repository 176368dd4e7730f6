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
	a, isA := from.(map[string]any)
	b, isB := to.(map[string]any)
	if (isA || from == nil) && (isB || to == nil) && (isA || isB) { // no map is as good as an empty one
		keys := maps.Clone(a)
		if keys == nil {
			keys = map[string]any{}
		}
		maps.Copy(keys, b)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			out = differ(out, below(field, key), a[key], b[key])
		}
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

var simpleField = regexp.MustCompile(`"\w+":\s*("(?:[^"\\]|\\.)*"|[-+\w.]+)`)

// steady is the text of a run with anything in place of the values that are others in the text of another run.
func steady(text, other []byte) []byte {
	a, b := simpleField.FindAllSubmatchIndex(text, -1), simpleField.FindAllSubmatchIndex(other, -1)
	if len(a) != len(b) {
		return text
	}
	var out []byte
	done := 0
	for i, m := range a {
		if n := b[i]; string(text[m[2]:m[3]]) != string(other[n[2]:n[3]]) {
			out = append(append(out, text[done:m[2]]...), anythingQuoted...)
			done = m[3]
		}
	}
	return append(out, text[done:]...)
}

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

// report says how records differ from the wanted ones; empty when they do not.
func report(want, got []recordOf) (lines []string) {
	shown := 0
	say := func(text []string) {
		if shown++; shown == mostRecords+1 {
			lines = append(lines, "... and more")
		}
		if shown <= mostRecords {
			lines = append(lines, text...)
		}
	}
	w, g := 0, 0
	for _, m := range append(common(want, got), match{len(want), len(got)}) {
		for ; w < m.want && g < m.got; w, g = w+1, g+1 {
			say(differing(g, want[w], got[g]))
		}
		for ; w < m.want; w++ {
			say([]string{fmt.Sprintf("missing: record %d of the wanted: %s", w+1, want[w].title())})
		}
		for ; g < m.got; g++ {
			say([]string{fmt.Sprintf("not wanted: record %d: %s", g+1, got[g].title())})
		}
		w, g = m.want+1, m.got+1
	}
	return lines
}

func differing(i int, want, got recordOf) []string {
	lines := []string{fmt.Sprintf("record %d: %s", i+1, got.title())}
	for _, c := range got.against(want) {
		lines = append(lines, fmt.Sprintf("    %s: want %s, got %s", c.Field, show(c.From), show(c.To)))
	}
	return lines
}

// A match is a wanted record and the one that is equal to it.
type match struct{ want, got int }

// mostCells bounds the table of common.
const mostCells = 1 << 20

// common is the longest list of equal records in both, in order. In lists too long for that, it is their equal beginning.
func common(want, got []recordOf) (out []match) {
	equal := func(w, g int) bool { return len(got[g].against(want[w])) == 0 }
	begin := 0
	for begin < min(len(want), len(got)) && equal(begin, begin) {
		out = append(out, match{begin, begin})
		begin++
	}
	n, m := len(want)-begin, len(got)-begin
	if n*m > mostCells {
		return out
	}
	same := make([]bool, n*m)
	longest := make([]int, (n+1)*(m+1)) // from here to the ends
	at := func(i, j int) *int { return &longest[i*(m+1)+j] }
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			*at(i, j) = max(*at(i+1, j), *at(i, j+1))
			if same[i*m+j] = equal(begin+i, begin+j); same[i*m+j] {
				*at(i, j) = *at(i+1, j+1) + 1
			}
		}
	}
	for i, j := 0, 0; i < n && j < m; {
		switch {
		case same[i*m+j]:
			out = append(out, match{begin + i, begin + j})
			i, j = i+1, j+1
		case *at(i+1, j) >= *at(i, j+1):
			i++
		default:
			j++
		}
	}
	return out
}
