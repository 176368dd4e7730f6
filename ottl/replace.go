package ottl

import (
	"bytes"
	"errors"

	"github.com/sluiceio/sluice/wire"
)

var (
	errFormat   = errors.New("the replacement format must have one %s and nothing else with a %")
	errReplaced = errors.New("the converter did not give a string")
)

// A replacer puts the replacement where a pattern matches, through a converter and a format if they are given.
type replacer struct {
	apply  getter
	format argument
}

func (c call) replacer(function, format int) replacer {
	return replacer{c.args[function].apply, c.args[format]}
}

// all replaces every match in a text.
func (p replacer) all(r *record, re *pattern, text, by []byte) ([]byte, error) {
	if p.apply == nil {
		return re.Regexp.ReplaceAll(text, by), nil
	}
	var out []byte
	end := 0
	for _, m := range re.Regexp.FindAllSubmatchIndex(text, -1) {
		b, err := p.one(r, re.Regexp.Expand(nil, by, text, m))
		if err != nil {
			return nil, err
		}
		out = append(append(out, text[end:m[0]]...), b...)
		end = m[1]
	}
	return append(out, text[end:]...), nil
}

// one is a replacement after the converter and the format.
func (p replacer) one(r *record, by []byte) ([]byte, error) {
	if p.apply == nil {
		return by, nil
	}
	r.input = by
	v, err := p.apply(r)
	if err != nil {
		return nil, err
	}
	if v.kind != kindString {
		return nil, errReplaced
	}
	if !p.format.given {
		return v.b, nil
	}
	layout, err := p.format.str(r)
	if err != nil {
		return nil, err
	}
	at := bytes.Index(layout, []byte("%s"))
	if at < 0 || bytes.Count(layout, []byte("%")) != 1 {
		return nil, errFormat
	}
	return bytes.Join([][]byte{layout[:at], v.b, layout[at+2:]}, nil), nil
}

func replacePattern(c call) action {
	target, of, by, to := &c.args[0], c.pattern(c.args[1], asItIs), c.args[2].expression, c.replacer(3, 4)
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
		if err != nil || !re.Match(v.b) {
			return err
		}
		out, err := to.all(r, re, v.b, replacement)
		if err != nil {
			return err
		}
		return target.place.set(r, textValue(out))
	}
}

func replaceMatch(c call) action {
	target, of, by, to := &c.args[0], c.pattern(c.args[1], globbed), c.args[2].expression, c.replacer(3, 4)
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
		if err != nil {
			return err
		}
		if replacement, err = to.one(r, replacement); err != nil || v.kind != kindString || !glob.Match(v.b) {
			return err
		}
		return target.place.set(r, textValue(replacement))
	}
}

func replaceAllPatterns(c call) action {
	target, mode, of, by := &c.args[0], c.args[1].text, c.pattern(c.args[2], asItIs), c.args[3].expression
	to := c.replacer(4, 5)
	if mode != "key" && mode != "value" {
		c.fault(c.args[1].at, "the mode is %q; write key or value", mode)
	}
	keys := func(r *record, e *entry) error {
		if !r.pattern.Match(e.key) {
			return nil
		}
		out, err := to.all(r, r.pattern, e.key, r.replacement)
		e.drop = err != nil // as in contrib
		e.key = out
		return nil
	}
	values := func(r *record, e *entry) error {
		s := e.val.Str()
		if e.val.Kind() != wire.ValueString || !r.pattern.Match(s) {
			return nil
		}
		out, err := to.all(r, r.pattern, s, r.replacement)
		if err != nil {
			return nil // as in contrib: the value stays
		}
		e.body, err = r.any(textValue(out))
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

func replaceAllMatches(c call) action {
	target, of, by, to := &c.args[0], c.pattern(c.args[1], globbed), c.args[2].expression, c.replacer(3, 4)
	edit := func(r *record, e *entry) (err error) {
		if e.val.Kind() == wire.ValueString && r.pattern.Match(e.val.Str()) {
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
		replacement, err := by.str(r)
		if err != nil {
			return err
		}
		if r.replacement, err = to.one(r, replacement); err != nil {
			return err
		}
		return r.rewrite(target, edit)
	}
}
