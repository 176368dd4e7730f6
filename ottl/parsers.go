package ottl

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

var (
	errJSON      = errors.New("the text is not JSON")
	errJSONTop   = errors.New("the JSON is not an object or an array")
	errJSONDepth = errors.New("the JSON is nested too deep")
)

// maxJSONDepth is what a request may have, less what is around the value.
const maxJSONDepth = 24

func parseJSON(c call) getter {
	x := c.args[0].expression
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		if !json.Valid(b) {
			return value{}, errJSON
		}
		j := jsonText{b: b, r: r}
		j.space()
		if c := b[j.pos]; c != '{' && c != '[' {
			return value{}, errJSONTop
		}
		body, err := j.value(0)
		return fromWire(wire.ParseValue(body)), err
	}
}

// A jsonText reads valid JSON into AnyValue bodies.
type jsonText struct {
	b   []byte
	pos int
	r   *record
}

func (j *jsonText) space() {
	for j.pos < len(j.b) && strings.IndexByte(" \t\r\n", j.b[j.pos]) >= 0 {
		j.pos++
	}
}

func (j *jsonText) value(depth int) ([]byte, error) {
	j.space()
	switch j.b[j.pos] {
	case '{':
		return j.object(depth + 1)
	case '[':
		return j.array(depth + 1)
	case '"':
		return j.r.any(textValue(j.text()))
	case 't':
		j.pos += 4
		return j.r.any(boolValue(true))
	case 'f':
		j.pos += 5
		return j.r.any(boolValue(false))
	case 'n':
		j.pos += 4
		return nil, nil
	}
	start := j.pos
	for j.pos < len(j.b) && strings.IndexByte("+-.eE0123456789", j.b[j.pos]) >= 0 {
		j.pos++
	}
	f, err := strconv.ParseFloat(string(j.b[start:j.pos]), 64)
	if err != nil {
		return nil, err
	}
	return j.r.any(doubleValue(f))
}

func (j *jsonText) text() []byte {
	start, plain := j.pos, true
	for j.pos++; j.b[j.pos] != '"'; j.pos++ {
		if j.b[j.pos] == '\\' {
			j.pos++
			plain = false
		}
	}
	j.pos++
	if plain && utf8.Valid(j.b[start:j.pos]) {
		return j.b[start+1 : j.pos-1]
	}
	var s string
	_ = json.Unmarshal(j.b[start:j.pos], &s) // it is valid JSON
	return []byte(s)
}

func (j *jsonText) array(depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, errJSONDepth
	}
	var elements [][]byte
	for j.pos++; ; {
		if j.space(); j.b[j.pos] == ']' {
			j.pos++
			break
		}
		if j.b[j.pos] == ',' {
			j.pos++
		}
		body, err := j.value(depth)
		if err != nil {
			return nil, err
		}
		elements = append(elements, body)
	}
	mark := len(j.r.arena)
	out, list := wire.BeginMessage(j.r.arena, wire.FieldValueArray)
	for _, e := range elements {
		out = wire.AppendBytes(out, wire.FieldArrayValues, e)
	}
	return j.r.keep(wire.EndMessage(out, list), mark), nil
}

func (j *jsonText) object(depth int) ([]byte, error) {
	if depth > maxJSONDepth {
		return nil, errJSONDepth
	}
	var keys, bodies [][]byte
	at := map[string]int{}
	for j.pos++; ; {
		if j.space(); j.b[j.pos] == '}' {
			j.pos++
			break
		}
		if j.b[j.pos] == ',' {
			j.pos++
			j.space()
		}
		k := j.text()
		j.space()
		j.pos++ // the colon
		body, err := j.value(depth)
		if err != nil {
			return nil, err
		}
		if i, again := at[string(k)]; again { // the last of equal keys counts
			bodies[i] = body
			continue
		}
		at[string(k)] = len(keys)
		keys, bodies = append(keys, k), append(bodies, body)
	}
	return j.r.object(keys, bodies), nil
}

// object is the AnyValue body of a map.
func (r *record) object(keys, bodies [][]byte) []byte {
	mark := len(r.arena)
	out, list := wire.BeginMessage(r.arena, wire.FieldValueMap)
	for i, k := range keys {
		out = appendEntry(out, entryTag, nil, k, bodies[i])
	}
	return r.keep(wire.EndMessage(out, list), mark)
}

// texts is a map of strings; the last of equal keys counts.
func (r *record) texts(keys, values []string) value {
	var k, b [][]byte
	for i := range keys {
		if slices.Contains(keys[i+1:], keys[i]) {
			continue
		}
		body, _ := r.any(textValue([]byte(strings.ToValidUTF8(values[i], "\uFFFD"))))
		k, b = append(k, []byte(strings.ToValidUTF8(keys[i], "\uFFFD"))), append(b, body)
	}
	return fromWire(wire.ParseValue(r.object(k, b)))
}

func extractPatterns(c call) getter {
	x, of := c.args[0].expression, c.pattern(c.args[1], newPattern)
	if of.fixed != nil && len(groups(of.fixed.re)) == 0 {
		c.fault(c.args[1].at, "the pattern has no named group; write (?P<name>...)")
	}
	return func(r *record) (value, error) {
		re, err := of.of(r)
		if err != nil {
			return value{}, err
		}
		names := groups(re.re)
		if len(names) == 0 {
			return value{}, errNoGroup
		}
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		var keys, values []string
		if re.need == nil || strings.Contains(string(b), string(re.need)) {
			if m := re.re.FindSubmatch(b); m != nil {
				for i, name := range re.re.SubexpNames() {
					if name != "" {
						keys, values = append(keys, name), append(values, string(m[i]))
					}
				}
			}
		}
		return r.texts(keys, values), nil
	}
}

var errNoGroup = errors.New("the pattern has no named group")

func groups(re *regexp.Regexp) (out []string) {
	for _, n := range re.SubexpNames() {
		if n != "" {
			out = append(out, n)
		}
	}
	return out
}

var (
	errEmpty    = errors.New("the text is empty")
	errUnquoted = errors.New("a quotation has no end")
	errNoPair   = errors.New("a pair has no delimiter")
)

func parseKeyValue(c call) getter {
	x, between, pairs := c.args[0].expression, "=", " "
	for i, to := range []*string{&between, &pairs} {
		if a := c.args[i+1]; a.given {
			if *to = a.text; a.text == "" {
				c.fault(a.at, "the delimiter is empty")
			}
		}
	}
	if between == pairs {
		c.fault(c.at, "both delimiters are %q", pairs)
	}
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		if len(b) == 0 {
			return value{}, errEmpty
		}
		list, err := splitQuoted(string(b), pairs)
		if err != nil {
			return value{}, err
		}
		var keys, values []string
		for _, pair := range list {
			k, v, ok := strings.Cut(pair, between)
			if !ok {
				return value{}, errNoPair
			}
			keys, values = append(keys, strings.TrimSpace(k)), append(values, strings.TrimSpace(v))
		}
		return r.texts(keys, values), nil
	}
}

// splitQuoted splits text at a delimiter outside of quotation marks, which it removes. Empty parts are left out.
func splitQuoted(text, delimiter string) (out []string, _ error) {
	var part strings.Builder
	var quote byte
	for i, escaped := 0, false; i < len(text); i++ {
		c := text[i]
		if quote == 0 && strings.HasPrefix(text[i:], delimiter) {
			if part.Len() > 0 {
				out = append(out, part.String())
				part.Reset()
			}
			i += len(delimiter) - 1
			continue
		}
		switch {
		case escaped:
			escaped = false
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
			continue
		case quote != 0 && c == quote:
			quote = 0
			continue
		default:
			escaped = c == '\\'
		}
		part.WriteByte(c)
	}
	if quote != 0 {
		return nil, errUnquoted
	}
	if part.Len() > 0 {
		out = append(out, part.String())
	}
	return out, nil
}

// directives of strptime as Go's layout.
var directives = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'o': "_1", 'q': "1", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'e': "_2",
	'g': "2", 'a': "Mon", 'A': "Monday", 'H': "15", 'l': "3", 'I': "03", 'p': "PM", 'P': "pm", 'M': "04", 'S': "05",
	'L': "999", 'f': "999999", 's': "999999999", 'Z': "MST", 'z': "Z0700", 'w': "-070000", 'i': "-07", 'j': "-07:00",
	'k': "-07:00:00", 'D': "01/02/2006", 'x': "01/02/2006", 'F': "2006-01-02", 'T': "15:04:05", 'X': "15:04:05",
	'r': "03:04:05 pm", 'R': "15:04", 'n': "\n", 't': "\t", '%': "%", 'c': "Mon Jan 02 15:04:05 2006",
}

func layoutOf(format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		c := format[i]
		if c >= '0' && c <= '9' {
			return "", errors.New("a digit stands outside of a directive")
		}
		if c != '%' {
			b.WriteByte(c)
			continue
		}
		i++
		if i == len(format) {
			return "", errors.New("a % has no letter behind it")
		}
		d, ok := directives[format[i]]
		if !ok {
			return "", fmt.Errorf("the directive %%%c is unknown", format[i])
		}
		if strings.IndexByte("Lfs", format[i]) >= 0 && i > 1 && format[i-2] != '.' && format[i-2] != ',' {
			return "", fmt.Errorf("%%%c stands behind a point or comma only", format[i])
		}
		b.WriteString(d)
	}
	return b.String(), nil
}

func (c call) layout(a argument) string {
	layout, err := layoutOf(a.text)
	switch {
	case a.text == "":
		c.fault(a.at, "the format is empty; write one such as \"%%Y-%%m-%%dT%%H:%%M:%%S\"")
	case err != nil:
		c.fault(a.at, "this format cannot be used: %v", err)
	}
	return layout
}

func parseTime(c call) getter {
	x, layout, zone := c.args[0].expression, c.layout(c.args[1]), time.Local
	if strings.HasSuffix(c.args[1].text, "Z") {
		zone = time.UTC
	}
	if a := c.args[2]; a.given && a.text != "" {
		var err error
		if zone, err = time.LoadLocation(a.text); err != nil {
			c.fault(a.at, "unknown time zone %q", a.text)
		}
	}
	return func(r *record) (value, error) {
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		if len(b) == 0 {
			return value{}, errEmpty
		}
		t, err := time.ParseInLocation(layout, string(b), zone)
		if err != nil {
			return value{}, err
		}
		return timeValue(withYear(t)), nil
	}
}

// withYear gives a time without a year the current one, or the last if it would be more than a week ahead.
func withYear(t time.Time) time.Time {
	if t.Year() > 0 {
		return t
	}
	n := now()
	t = t.AddDate(n.Year()-t.Year(), 0, 0)
	if t.After(n.AddDate(0, 0, 7)) {
		t = t.AddDate(-1, 0, 0)
	}
	return t
}

func formatTime(c call) getter {
	x, layout := c.args[0].expression, c.layout(c.args[1])
	return func(r *record) (value, error) {
		v, err := x.get(r)
		if err == nil {
			err = v.must(kindTime)
		}
		mark := len(r.arena)
		return textValue(r.keep(v.time().AppendFormat(r.arena, layout), mark)), err
	}
}

func convertCase(c call) getter {
	x, to := c.args[0].expression, c.args[1].text
	switch to {
	case "lower":
		return mapped(lowered)(c)
	case "upper":
		return mapped(uppered)(c)
	case "snake", "camel":
		c.fault(c.args[1].at, "the case %s is not supported; lower and upper are", to)
	default:
		c.fault(c.args[1].at, "the case is %q; write lower or upper", to)
	}
	return x.get
}

func lowered(b []byte) []byte { return []byte(strings.ToLower(string(b))) }
func uppered(b []byte) []byte { return []byte(strings.ToUpper(string(b))) }
