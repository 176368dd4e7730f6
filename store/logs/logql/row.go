package logql

import (
	"slices"
	"strings"
)

// Labels of stage errors.
const (
	ErrorLabel        = "__error__"
	ErrorDetailsLabel = "__error_details__"
)

// Loki's values of ErrorLabel.
const (
	ParserError = "JSONParserErr"
	filterError = "LabelFilterErr"
)

// A Label is a name and its value.
type Label struct{ Name, Value string }

// A Row is a row in the pipeline, reused by a worker: call Reset and AddMeta, [LogExpr.Process], then read it.
// Strings may alias the caller's memory.
type Row struct {
	Line   string
	Stream []Label // sorted by name; shared, never modified here
	Meta   []Label // structured metadata
	Parsed []Label // extracted from the line

	// Want limits what parsers extract; nil means everything.
	Want map[string]bool

	err, errDetails string
	dropped         []string // scratch: the current field's name
	name, suffixed  []byte   // scratch: the name of the field that is read
	names           map[string]string
}

// Reset starts a row.
func (r *Row) Reset(line string, stream []Label) {
	r.Line, r.Stream = line, stream
	r.Meta, r.Parsed, r.dropped = r.Meta[:0], r.Parsed[:0], r.dropped[:0]
	r.err, r.errDetails = "", ""
}

// AddMeta adds structured metadata.
func (r *Row) AddMeta(name, value string) { r.Meta = append(r.Meta, Label{name, value}) }

// Err returns the value of __error__, or "".
func (r *Row) Err() string { return r.err }

// Get returns a label. Names are unique, because duplicates got a suffix.
func (r *Row) Get(name string) (string, bool) {
	switch name {
	case ErrorLabel:
		return r.err, r.err != ""
	case ErrorDetailsLabel:
		return r.errDetails, r.errDetails != ""
	}
	if v, ok := find(r.Parsed, name); ok {
		return v, true
	}
	if v, ok := find(r.Meta, name); ok {
		return v, true
	}
	return r.streamLabel(name)
}

func (r *Row) streamLabel(name string) (string, bool) {
	v, ok := find(r.Stream, name)
	if ok && len(r.dropped) > 0 && slices.Contains(r.dropped, name) {
		return "", false
	}
	return v, ok
}

// AppendStream appends the stream labels that are left.
func (r *Row) AppendStream(to []Label) []Label {
	if len(r.dropped) == 0 {
		return append(to, r.Stream...)
	}
	for _, l := range r.Stream {
		if !slices.Contains(r.dropped, l.Name) {
			to = append(to, l)
		}
	}
	return to
}

// AppendParsed appends parsed labels and errors.
func (r *Row) AppendParsed(to []Label) []Label {
	to = append(to, r.Parsed...)
	if r.err != "" {
		to = append(to, Label{ErrorLabel, r.err})
	}
	if r.errDetails != "" {
		to = append(to, Label{ErrorDetailsLabel, r.errDetails})
	}
	return to
}

// AppendLabels appends all labels, sorted.
func (r *Row) AppendLabels(to []Label) []Label {
	n := len(to)
	to = r.AppendStream(to)
	to = append(to, r.Meta...)
	to = r.AppendParsed(to)
	SortLabels(to[n:])
	return to
}

// SortLabels sorts by name.
func SortLabels(ls []Label) {
	slices.SortFunc(ls, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
}

func find(ls []Label, name string) (string, bool) {
	for i := range ls {
		if ls[i].Name == name {
			return ls[i].Value, true
		}
	}
	return "", false
}

func remove(ls []Label, name string) []Label {
	return slices.DeleteFunc(ls, func(l Label) bool { return l.Name == name })
}

func (r *Row) fail(kind, details string) {
	r.err, r.errDetails = kind, details
}

// addParsed adds a parsed label. If the stream or metadata has the name, it gets Loki's suffix; the first of two
// parsed ones wins.
func (r *Row) addParsed(name, value string) {
	_, taken := r.streamLabel(name)
	if !taken {
		_, taken = find(r.Meta, name)
	}
	if taken {
		r.suffixed = append(append(r.suffixed[:0], name...), "_extracted"...)
		name = r.intern(r.suffixed)
	}
	if r.Want != nil && !r.Want[name] || value == "" {
		return
	}
	if _, ok := find(r.Parsed, name); ok {
		return
	}
	r.Parsed = append(r.Parsed, Label{name, value})
}

// maxNames limits the interned names of a Row.
const maxNames = 4096

func (r *Row) intern(b []byte) string {
	if s, ok := r.names[string(b)]; ok {
		return s
	}
	if r.names == nil || len(r.names) >= maxNames {
		r.names = make(map[string]string)
	}
	s := string(b)
	r.names[s] = s
	return s
}

// appendName appends a key to a label name. Invalid bytes become underscores, blanks around the key go, and a leading
// digit gets an underscore.
func appendName(to []byte, key string) []byte {
	key = strings.TrimSpace(key)
	if len(to) == 0 && key != "" && isDigit(key[0]) {
		to = append(to, '_')
	}
	for i := 0; i < len(key); i++ {
		c := key[i]
		switch {
		case isLetter(c) || isDigit(c):
			to = append(to, c)
		case c < 0x80 || c >= 0xc0: // once for a rune, at its first byte
			to = append(to, '_')
		}
	}
	return to
}
