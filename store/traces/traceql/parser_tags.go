package traceql

import (
	"bytes"
	"fmt"
	"strings"
)

// ParseTags parses the tags parameter of old searches: logfmt pairs that must all match one span, each as a
// case-insensitive substring.
func ParseTags(text string) (*Query, error) {
	if len(text) > MaxQueryBytes {
		return nil, fmt.Errorf("cannot read tags: longer than 16 KiB")
	}
	q := &Query{expr: constant(Yes)}
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		key, after, ok := strings.Cut(rest, "=")
		if !ok || key == "" || strings.ContainsAny(key, " \"") {
			return nil, fmt.Errorf("cannot read tags: expected key=value at %q", rest)
		}
		value, n, err := tagValue(after)
		if err != nil {
			return nil, err
		}
		rest = after[n:]
		p := parser{fields: q.fields}
		lit := literal{Value: Value{Kind: KindString, Str: bytes.ToLower([]byte(value))}}
		c := &compare{field: p.use(TagField(key)), op: opContains, lit: lit}
		q.fields = p.fields
		if q.expr == constant(Yes) {
			q.expr = c
		} else {
			q.expr = and{q.expr, c}
		}
	}
	return q, nil
}

// tagValue reads a value, quoted or up to a space, and returns its length.
func tagValue(s string) (value string, n int, err error) {
	if strings.HasPrefix(s, `"`) {
		value, n, reason := unquote(s, '"')
		if reason != "" {
			return "", 0, fmt.Errorf("cannot read tags: %s", reason)
		}
		return value, n, nil
	}
	if n = strings.IndexByte(s, ' '); n < 0 {
		n = len(s)
	}
	return s[:n], n, nil
}

// TagField maps an old search's name to a field: some intrinsics had other names, the rest are attributes.
func TagField(key string) Field {
	switch key {
	case "root.name":
		key = "rootName"
	case "root.service.name":
		key = "rootServiceName"
	case "status.code":
		key = "status"
	}
	switch key {
	case "name", "status", "kind", "rootName", "rootServiceName":
		f, _ := intrinsicField(key)
		return f
	}
	return Field{Scope: ScopeAny, Name: key}
}
