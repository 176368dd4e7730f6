// Package multiline tells which lines are one record: by presets, which know the stack traces of languages, or by a pattern for
// the first or the last line.
//
// multiline.go is the rule that a user chooses, presets.go has the languages.
package multiline

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Rule says how lines of one stream are joined. It is shared by files and not changed.
type Rule struct {
	presets  [languages]bool
	chosen   bool           // any preset
	start    *regexp.Regexp // of a record's first line; nil: none
	end      *regexp.Regexp // of its last one; nil: none
	MaxLines int            // lines of a record at most; what follows is the next record
	Flush    time.Duration  // how long a record waits for its next line
}

// Choice is what a user sets: one of its fields.
type Choice struct {
	Presets    []string
	Start, End string
}

// Names are the presets.
func Names() []string { return names[:] }

// New makes a rule; nil if nothing is chosen.
func New(c Choice) (*Rule, error) {
	var r Rule
	for _, name := range c.Presets {
		at := -1
		for i, known := range names {
			if name == known {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("%q is no preset: set %s", name, strings.Join(names[:], ", "))
		}
		r.presets[at], r.chosen = true, true
	}
	if n := min(1, len(c.Presets)) + min(1, len(c.Start)) + min(1, len(c.End)); n > 1 {
		return nil, fmt.Errorf(`set only one of "presets", "line_start_pattern" and "line_end_pattern"`)
	} else if n == 0 {
		return nil, nil
	}
	for _, p := range []struct {
		key, text string
		to        **regexp.Regexp
	}{{"line_start_pattern", c.Start, &r.start}, {"line_end_pattern", c.End, &r.end}} {
		if p.text == "" {
			continue
		}
		var err error
		if *p.to, err = regexp.Compile(p.text); err != nil {
			return nil, fmt.Errorf(`"%s": %w`, p.key, err)
		}
	}
	return &r, nil
}

// Off is what an annotation says for no joining.
const Off = "off"

// ParseAnnotation reads what a pod says of itself (sluice.io/multiline): "java", "java,python", or "off".
func ParseAnnotation(text string) (Choice, error) {
	var c Choice
	if strings.TrimSpace(text) == Off {
		return c, nil
	}
	for _, name := range strings.Split(text, ",") {
		c.Presets = append(c.Presets, strings.TrimSpace(name))
	}
	_, err := New(c)
	return c, err
}

// State is where a record stands, for each preset that may still go on. Zero: nothing is open.
type State [languages]uint8

// Begin tells whether a line opens a record that later lines may join, and sets s. False: it is a record of its own.
func (r *Rule) Begin(s *State, line []byte) bool {
	line = trimmed(line)
	switch {
	case r.start != nil:
		return r.start.Match(line) // others, before the first or behind a pause, are no part of anything
	case r.end != nil:
		return !r.end.Match(line)
	}
	any, w := false, look(line)
	for i := range languages {
		s[i] = none
		if r.presets[i] {
			s[i] = begins(i, line, w)
			any = any || s[i] != none
		}
	}
	return any
}

// Joins tells whether the next line belongs to the record, and whether it is its last.
func (r *Rule) Joins(s *State, line []byte) (joins, last bool) {
	line = trimmed(line)
	switch {
	case r.start != nil:
		return !r.start.Match(line), false
	case r.end != nil:
		return true, r.end.Match(line)
	}
	next := *s
	for i := range languages {
		if next[i] != none {
			next[i] = goesOn[i](next[i], line)
			joins = joins || next[i] != none
		}
	}
	if joins {
		*s = next
	}
	return joins, false
}

// Alone reports, by a few bytes, that a line and the one behind it (or its beginning) are not one record, so that Begin need
// not be asked. rest begins with the next line.
func (r *Rule) Alone(line, rest []byte) bool {
	if !r.chosen || len(rest) == 0 {
		return false
	}
	switch rest[0] {
	case ' ', '\t', '\n', '\r', '[', '\\':
		return false
	case 'C':
		if has(rest, "Caused by: ") {
			return false
		}
	case 'S':
		if has(rest, "Suppressed: ") {
			return false
		}
	case 'W':
		if has(rest, "Wrapped by: ") {
			return false
		}
	case 'g':
		if has(rest, "goroutine ") {
			return false
		}
	case 'r':
		if has(rest, "runtime stack:") {
			return false
		}
	}
	if len(line) == 0 {
		return true
	}
	switch line[0] {
	case 'g':
		return !has(line, "goroutine ")
	case 'r':
		return !has(line, "runtime stack:")
	case '/', 'f', 'n': // the place in a source
		line = trimmed(line)
		return line[len(line)-1]-'0' > 9
	}
	return true
}

func trimmed(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
