package read

import (
	"slices"
	"strings"
	"unicode"
)

// validate reports the errors of confmap.Validate: joined, each with a path; nested Validate methods and
// configoptional add their own.
func (d *reading) validate(err error, below []string) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			d.validate(e, below)
		}
		return
	}
	if wrapped, ok := err.(interface{ Unwrap() error }); ok && wrapped.Unwrap() != nil {
		inner := wrapped.Unwrap()
		prefix, is := strings.CutSuffix(err.Error(), inner.Error())
		if is && prefix == "" {
			d.validate(inner, below)
			return
		}
		path, isPath := strings.CutSuffix(prefix, ": ")
		if is && isPath && !strings.ContainsAny(path, " \n") {
			if trimmed, ok := d.Shape.walk(below).trim(strings.Split(path, delimiter)); ok {
				d.validate(inner, Extend(below, trimmed...))
				return
			}
		}
	}
	spot, text := d.locate(below, err.Error())
	if !d.echoes(spot.Path[len(d.Path):], text) {
		d.Fault(spot, "%s", text)
	}
}

// echoes reports whether an error only follows from a reported fault: it names a removed key, or something was
// removed there and it names no key that exists.
func (d *reading) echoes(below []string, text string) bool {
	hit := false
	for _, gone := range d.gone {
		if isBelow(below, gone) || len(gone) > 0 && slices.Contains(quoted(text), gone[len(gone)-1]) {
			return true
		}
		for _, key := range quoted(text) {
			if isBelow(gone, Extend(below, strings.Split(key, delimiter)...)) {
				return true
			}
		}
		hit = hit || isBelow(gone, below)
	}
	return hit && d.named(below, text) == nil
}

func isBelow(path, above []string) bool {
	return len(path) >= len(above) && slices.Equal(path[:len(above)], above)
}

// locate finds the place of a text: a path at its beginning ("scrape_configs::0: ..."), else a key below that it
// names.
func (d *reading) locate(below []string, text string) (At, string) {
	if head, rest, found := strings.Cut(text, ": "); found && !strings.ContainsAny(head, " \n") {
		if path, ok := d.Shape.walk(below).trim(strings.Split(head, delimiter)); ok {
			full := Extend(d.Path, Extend(below, path...)...)
			if strings.Contains(head, delimiter) || d.Tree.Find(full...) != nil {
				below, text = Extend(below, path...), rest
			}
		}
	}
	spot := d.At(below)
	if n := d.named(below, text); n != nil {
		spot.Place, spot.source = n.Place, n.source
	}
	return spot, text
}

// named finds the key below a place that a text names, quoted or as a word.
func (d *reading) named(below []string, text string) *Node {
	top := d.Tree.Find(Extend(d.Path, below...)...)
	words := append(quoted(text), strings.FieldsFunc(text, func(r rune) bool {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})...)
	for _, word := range words {
		if n := top.Find(strings.Split(word, delimiter)...); n != nil && n != top {
			return n
		}
	}
	return nil
}

func quoted(text string) []string {
	var list []string
	for _, mark := range []string{`"`, "'", "`"} {
		rest := text
		for {
			_, after, open := strings.Cut(rest, mark)
			word, next, closed := strings.Cut(after, mark)
			if !open || !closed {
				break
			}
			list, rest = append(list, word), next
		}
	}
	return list
}
