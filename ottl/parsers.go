package ottl

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

var (
	errJSON      = errors.New("the text is not JSON")
	errJSONTop   = errors.New("the JSON is not an object or an array")
	errJSONDepth = errors.New("the JSON is nested too deep")
)

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
		return nil, errNotDouble
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
	if depth > maxDepth {
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
	if depth > maxDepth {
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
	last := make(map[string]int, len(keys))
	for i, name := range keys {
		last[name] = i
	}
	for i := range keys {
		if last[keys[i]] != i {
			continue
		}
		body, _ := r.any(textValue([]byte(strings.ToValidUTF8(values[i], "\uFFFD"))))
		k, b = append(k, []byte(strings.ToValidUTF8(keys[i], "\uFFFD"))), append(b, body)
	}
	return fromWire(wire.ParseValue(r.object(k, b)))
}

func extractPatterns(c call) getter {
	x, of := c.args[0].expression, c.pattern(c.args[1], asItIs)
	if of.fixed != nil && len(groups(of.fixed.Regexp)) == 0 {
		c.fault(c.args[1].at, "the pattern has no named group; write (?P<name>...)")
	}
	return func(r *record) (value, error) {
		re, err := of.of(r)
		if err != nil {
			return value{}, err
		}
		names := groups(re.Regexp)
		if len(names) == 0 {
			return value{}, errNoGroup
		}
		b, err := x.str(r)
		if err != nil {
			return value{}, err
		}
		var keys, values []string
		if re.May(b) {
			if m := re.Regexp.FindSubmatch(b); m != nil {
				for i, name := range re.Regexp.SubexpNames() {
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
