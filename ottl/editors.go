package ottl

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/sluiceio/sluice/wire"
)

// editors are the functions that a statement begins with.
var editors = map[string]function{
	"set": {params: []parameter{p("target", argPlace), p("value", argAny)}, editor: set},
	"delete_key": {params: []parameter{p("target", argMapPlace), p("key", argString)},
		editor: deleteKey},
	"delete_matching_keys": {params: []parameter{p("target", argMapPlace), p("pattern", argString)},
		editor: func(c call) action { return matchingKeys(c, true) }},
	"keep_matching_keys": {params: []parameter{p("target", argMapPlace), p("pattern", argString)},
		editor: func(c call) action { return matchingKeys(c, false) }},
	"keep_keys": {params: []parameter{p("target", argMapPlace), p("keys", argTexts)}, editor: keepKeys},
	"truncate_all": {params: []parameter{p("target", argMapPlace), p("limit", argNumber), opt("utf8_safe", argFlag),
		opt("truncation_marker", argText)}, editor: truncateAll},
	"limit": {params: []parameter{p("target", argMapPlace), p("limit", argNumber), p("priority_keys", argWords)},
		editor: limit},
	"replace_pattern": {params: []parameter{p("target", argPlace), p("regex_pattern", argString), p("replacement", argString),
		opt("function", argFunction), opt("replacement_format", argString)}, editor: replacePattern},
	"replace_match": {params: []parameter{p("target", argPlace), p("pattern", argString), p("replacement", argString),
		opt("function", argFunction), opt("replacement_format", argString)}, editor: replaceMatch},
	"replace_all_patterns": {params: []parameter{p("target", argMapPlace), p("mode", argText), p("regex_pattern", argString),
		p("replacement", argString), opt("function", argFunction), opt("replacement_format", argString)},
		editor: replaceAllPatterns},
	"replace_all_matches": {params: []parameter{p("target", argMapPlace), p("pattern", argString), p("replacement", argString),
		opt("function", argFunction), opt("replacement_format", argString)}, editor: replaceAllMatches},
	"merge_maps": {params: []parameter{p("target", argMapPlace), p("source", argMap), p("strategy", argText)},
		editor: mergeMaps},
}

func set(c call) action {
	put, get := c.args[0].place.set, c.args[1].get
	return func(r *record) error {
		v, err := get(r)
		if err != nil || v.kind == kindNil {
			return err // nil sets nothing
		}
		return put(r, v)
	}
}

// str evaluates what must be a string.
func (x expression) str(r *record) ([]byte, error) {
	v, err := x.get(r)
	if err == nil && v.kind != kindString {
		err = v.must(kindString)
	}
	return v.b, err
}

func (x expression) integer(r *record) (int64, error) {
	v, err := x.get(r)
	if err == nil && v.kind != kindInt {
		err = v.must(kindInt)
	}
	return v.int(), err
}

// mapping evaluates what must be a map.
func (x expression) mapping(r *record) (value, error) {
	v, err := x.get(r)
	if err == nil && v.kind != kindMap {
		err = v.must(kindMap)
	}
	return v, err
}

func deleteKey(c call) action {
	target, k := &c.args[0], c.args[1].expression
	if target.place.all && k.literal {
		name, s := string(k.val.b), target.place.slot
		return func(r *record) error {
			r.at(s).DeleteAttribute(name)
			return nil
		}
	}
	return func(r *record) error {
		name, err := k.str(r)
		if err != nil {
			return err
		}
		r.replacement, r.count = name, 0
		return r.rewrite(target, dropFirst)
	}
}

// dropFirst drops the first entry with a key, as in contrib.
func dropFirst(r *record, e *entry) error {
	if e.drop = r.count == 0 && bytes.Equal(e.key, r.replacement); e.drop {
		r.count++
	}
	return nil
}

func matchingKeys(c call, drop bool) action {
	target, of := &c.args[0], c.pattern(c.args[1], asItIs)
	edit := func(r *record, e *entry) error {
		e.drop = r.pattern.Match(e.key) == drop
		return nil
	}
	return func(r *record) (err error) {
		if r.pattern, err = of.of(r); err != nil {
			return err
		}
		return r.rewrite(target, edit)
	}
}

func keepKeys(c call) action {
	target, keys := &c.args[0], c.args[1].list
	return func(r *record) error {
		r.words = r.words[:0]
		for _, k := range keys {
			b, err := k.str(r)
			if err != nil {
				return err
			}
			r.words = append(r.words, b)
		}
		return r.rewrite(target, dropUnlisted)
	}
}

func dropUnlisted(r *record, e *entry) error {
	e.drop = !slices.ContainsFunc(r.words, func(w []byte) bool { return bytes.Equal(w, e.key) })
	return nil
}

func truncateAll(c call) action {
	target, most, marker := &c.args[0], int(c.args[1].number), []byte(c.args[3].text)
	safe := !c.args[2].given || c.args[2].flag
	switch {
	case most < 0:
		c.fault(c.args[1].at, "the limit cannot be negative")
	case len(marker) > most:
		c.fault(c.args[3].at, "the marker is longer than the limit")
	}
	edit := func(r *record, e *entry) error {
		s := e.val.Str()
		if len(s) <= most {
			return nil
		}
		cut := most - len(marker)
		for safe && cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		mark := len(r.arena)
		text := r.keep(append(appendValid(r.arena, s[:cut]), marker...), mark)
		body, err := r.any(textValue(text))
		e.body = body
		return err
	}
	return func(r *record) error { return r.rewrite(target, edit) }
}

// appendValid appends text cut anywhere; half a character at its end becomes U+FFFD, since OTLP strings are UTF-8.
func appendValid(dst, s []byte) []byte {
	if utf8.Valid(s) {
		return append(dst, s...)
	}
	return append(dst, bytes.ToValidUTF8(s, []byte("\uFFFD"))...)
}

func limit(c call) action {
	target, most := &c.args[0], c.args[1].number
	var first [][]byte
	for _, x := range c.args[2].list {
		first = append(first, x.val.b)
	}
	switch {
	case most < 0:
		c.fault(c.args[1].at, "the limit cannot be negative")
	case most < int64(len(first)):
		c.fault(c.args[1].at, "the limit is less than the number of priority keys")
	}
	edit := func(r *record, e *entry) error {
		if slices.ContainsFunc(first, func(k []byte) bool { return bytes.Equal(k, e.key) }) {
			return nil
		}
		if r.count < most {
			r.count++
			return nil
		}
		e.drop = true
		return nil
	}
	return func(r *record) error {
		m, err := target.mapping(r)
		if err != nil || int64(m.len()) <= most {
			return err
		}
		r.count = 0
		for _, k := range first {
			if _, ok := m.get(k); ok {
				r.count++
			}
		}
		return r.rewrite(target, edit)
	}
}

func mergeMaps(c call) action {
	target, source, strategy := &c.args[0], c.args[1].expression, c.args[2].text
	insert, update := strategy != "update", strategy != "insert"
	if !slices.Contains([]string{"insert", "update", "upsert"}, strategy) {
		c.fault(c.args[2].at, "the strategy is %q; write insert, update or upsert", strategy)
	}
	return func(r *record) error {
		m, err := target.mapping(r)
		if err != nil {
			return err
		}
		from, err := source.mapping(r)
		if err != nil {
			return err
		}
		x := &r.keys
		x.reset()
		for c := m.entries(); c.Next(); {
			x.add(indexed{key: c.Key(), entry: c.Bytes()})
		}
		for c := from.entries(); c.Next(); {
			i := x.find(c.Key())
			if i >= 0 && !update || i < 0 && !insert {
				continue
			}
			body, err := r.any(fromWire(c.Value()))
			if err != nil {
				return err
			}
			if body == nil {
				body = []byte{}
			}
			if i < 0 {
				x.add(indexed{key: c.Key(), body: body})
			} else {
				x.items[i].body = body
			}
		}
		mark, out := len(r.arena), r.arena
		for i := range x.items {
			if e := &x.items[i]; e.body == nil {
				out = wire.AppendBytes(out, wire.FieldMapValues, e.entry)
			} else {
				out = appendEntry(out, entryTag, e.entry, e.key, e.body)
			}
		}
		return target.place.set(r, mapValue(r.keep(out, mark)))
	}
}
