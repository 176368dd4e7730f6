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
		opt("function", argFunction), opt("replacement_format", argFunction)}, editor: replacePattern},
	"replace_match": {params: []parameter{p("target", argPlace), p("pattern", argString), p("replacement", argString),
		opt("function", argFunction), opt("replacement_format", argFunction)}, editor: replaceMatch},
	"replace_all_patterns": {params: []parameter{p("target", argMapPlace), p("mode", argText), p("regex_pattern", argString),
		p("replacement", argString), opt("function", argFunction), opt("replacement_format", argFunction)},
		editor: replaceAllPatterns},
	"replace_all_matches": {params: []parameter{p("target", argMapPlace), p("pattern", argString), p("replacement", argString),
		opt("function", argFunction), opt("replacement_format", argFunction)}, editor: replaceAllMatches},
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

// An entry of a map that is rewritten. An edit sets drop, key or body, or nothing.
type entry struct {
	key, body []byte // body is an AnyValue's
	val       wire.Value
	drop      bool
}

// rewrite gives the map in the target with each entry edited. A map in which nothing changes is left alone.
func (r *record) rewrite(target *argument, edit func(*record, *entry) error) error {
	m, err := target.mapping(r)
	if err != nil {
		return err
	}
	changed := false
	out := r.build[:0]
	for c := m.entries(); c.Next(); {
		e := entry{key: c.Key(), val: c.Value()}
		if err := edit(r, &e); err != nil {
			return err
		}
		switch {
		case e.drop:
			changed = true
		case e.body != nil || !bytes.Equal(e.key, c.Key()):
			changed = true
			if e.body == nil {
				e.body = wire.FindBytes(c.Bytes(), wire.FieldKeyValueValue)
			}
			out = appendEntry(out, m.tag, c.Bytes(), e.key, e.body)
		default:
			out = wire.AppendBytes(out, int(m.tag>>3), c.Bytes())
		}
	}
	r.build = out
	if !changed {
		return nil
	}
	return r.setMap(target, out, m.tag)
}

// setMap sets a map whose entries have the given tag.
func (r *record) setMap(target *argument, run []byte, tag byte) error {
	if target.place.all && r.at(target.place.slot).AttributeTag() == tag {
		r.at(target.place.slot).SetAttributes(run)
		return nil
	}
	mark := len(r.arena)
	return target.place.set(r, value{b: r.keep(append(r.arena, run...), mark), kind: kindMap, tag: tag})
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
	target, of := &c.args[0], c.pattern(c.args[1], newPattern)
	edit := func(r *record, e *entry) error {
		e.drop = r.pattern.match(e.key) == drop
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

func replacePattern(c call) action {
	target, of, by := &c.args[0], c.pattern(c.args[1], newPattern), c.args[2].expression
	return func(r *record) error {
		v, err := target.get(r)
		if err != nil || v.kind == kindNil {
			return err
		}
		replacement, err := by.str(r)
		if err != nil || v.kind != kindString {
			return err
		}
		re, err := of.of(r)
		if err != nil || !re.match(v.b) {
			return err
		}
		return target.place.set(r, textValue(re.re.ReplaceAll(v.b, replacement)))
	}
}

func replaceMatch(c call) action {
	target, of, by := &c.args[0], c.pattern(c.args[1], newGlob), c.args[2].expression
	return func(r *record) error {
		glob, err := of.of(r)
		if err != nil {
			return err
		}
		v, err := target.get(r)
		if err != nil {
			return err
		}
		replacement, err := by.str(r)
		if err != nil || v.kind != kindString || !glob.match(v.b) {
			return err
		}
		return target.place.set(r, textValue(replacement))
	}
}

func replaceAllPatterns(c call) action {
	target, mode, of, by := &c.args[0], c.args[1].text, c.pattern(c.args[2], newPattern), c.args[3].expression
	if mode != "key" && mode != "value" {
		c.fault(c.args[1].at, "the mode is %q; write key or value", mode)
	}
	keys := func(r *record, e *entry) error {
		if r.pattern.match(e.key) {
			e.key = r.pattern.re.ReplaceAll(e.key, r.replacement)
		}
		return nil
	}
	values := func(r *record, e *entry) (err error) {
		if s := e.val.Str(); e.val.Kind() == wire.ValueString && r.pattern.match(s) {
			e.body, err = r.any(textValue(r.pattern.re.ReplaceAll(s, r.replacement)))
		}
		return err
	}
	return func(r *record) error {
		if _, err := target.mapping(r); err != nil {
			return err
		}
		var err error
		if r.replacement, err = by.str(r); err != nil {
			return err
		}
		if r.pattern, err = of.of(r); err != nil {
			return err
		}
		if mode == "key" {
			return r.rewriteKeys(target, keys)
		}
		return r.rewrite(target, values)
	}
}

// rewriteKeys is rewrite where entries may come to have equal keys: as in contrib, the last value then takes the
// first one's place.
func (r *record) rewriteKeys(target *argument, edit func(*record, *entry) error) error {
	if err := r.rewrite(target, edit); err != nil {
		return err
	}
	m, err := target.mapping(r)
	if err != nil {
		return err
	}
	out, changed, i := r.build[:0], false, 0
	for c := m.entries(); c.Next(); i++ {
		last, lastAt, again, j := c.Bytes(), i, false, 0
		for o := m.entries(); o.Next(); j++ {
			if !bytes.Equal(o.Key(), c.Key()) {
				continue
			}
			again = again || j < i
			if j > i {
				last, lastAt = o.Bytes(), j
			}
		}
		changed = changed || again || lastAt != i
		if !again {
			out = wire.AppendBytes(out, int(m.tag>>3), last)
		}
	}
	r.build = out
	if !changed {
		return nil
	}
	return r.setMap(target, out, m.tag)
}

func replaceAllMatches(c call) action {
	target, of, by := &c.args[0], c.pattern(c.args[1], newGlob), c.args[2].expression
	edit := func(r *record, e *entry) (err error) {
		if e.val.Kind() == wire.ValueString && r.pattern.match(e.val.Str()) {
			e.body, err = r.any(textValue(r.replacement))
		}
		return err
	}
	return func(r *record) (err error) {
		if r.pattern, err = of.of(r); err != nil {
			return err
		}
		if _, err = target.mapping(r); err != nil {
			return err
		}
		if r.replacement, err = by.str(r); err != nil {
			return err
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
		plain := r.plainMap(m)
		mark := len(r.arena)
		merged := r.keep(wire.AppendBytes(r.arena, wire.FieldValueMap, plain), mark)
		for c := from.entries(); c.Next(); {
			if _, have := fromWire(wire.ParseValue(merged)).get(c.Key()); have && !update || !have && !insert {
				continue
			}
			if merged, err = r.putEntry(wire.ParseValue(merged).Payload(), c.Key(), nil, fromWire(c.Value())); err != nil {
				return err
			}
		}
		return target.place.set(r, fromWire(wire.ParseValue(merged)))
	}
}

// plainMap is the KeyValueList body of a map.
func (r *record) plainMap(m value) []byte {
	mark, out := len(r.arena), r.arena
	for c := m.entries(); c.Next(); {
		out = wire.AppendBytes(out, wire.FieldMapValues, c.Bytes())
	}
	return r.keep(out, mark)
}
