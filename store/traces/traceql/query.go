// Package traceql reads the part of TraceQL that selects spans by conditions inside one pair of braces, and answers
// for a span whether it is selected.
//
// What the part holds is the table in the README of the folder above. Everything else of TraceQL (pipelines,
// structural operators, aggregates, arithmetic) is an [Error] that names the construct and its place: a query is
// either answered as Tempo would answer it or refused, never quietly answered otherwise.
//
// A query knows nothing of how spans are stored. It lists the [Field]s it reads, and [Query.Match] asks a [Source]
// for their values by position in that list, so that a store may keep what is the same for many spans (resource
// attributes) between them.
package traceql

import (
	"slices"
	"time"
	"unicode/utf8"
)

// The bounds of a query. Recursion follows parentheses, so their depth is bounded too.
const (
	MaxQueryBytes = 16 << 10
	maxDepth      = 64
)

// A Query is a parsed selection of spans. It is read-only after Parse and may be used by several goroutines.
type Query struct {
	expr   node
	fields []Field
}

// Parse reads a query. An empty text selects every span, as { } does. Errors are *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxQueryBytes {
		return nil, &Error{Line: 1, Col: 1, Msg: "the query is longer than 16 KiB"}
	}
	if !utf8.ValidString(text) {
		return nil, &Error{Line: 1, Col: 1, Msg: "the query is not valid UTF-8"}
	}
	p := parser{lexer: lexer{text: text}}
	if err := p.query(); err != nil {
		return nil, err
	}
	return &Query{expr: p.root, fields: p.fields}, nil
}

// ParseField reads the name of one field alone, as the tag value endpoints take it: resource.service.name, .x,
// span:status, name.
func ParseField(text string) (Field, error) {
	p := parser{lexer: lexer{text: text}}
	p.next()
	t := p.tok
	if t.kind != tokenField {
		return Field{}, p.errorf(t, "%s is not a field; write resource.x, span.x, .x or an intrinsic such as name", t)
	}
	f, err := p.field(t)
	if err != nil {
		return Field{}, err
	}
	if p.next(); p.tok.kind != tokenEnd {
		return Field{}, p.errorf(p.tok, "unexpected %s after the field", p.tok)
	}
	return f, nil
}

// Fields lists what the query reads, each once, in the order of first use. The caller does not modify it.
func (q *Query) Fields() []Field { return q.fields }

// MatchesAll reports whether the query selects every span.
func (q *Query) MatchesAll() bool { return q.expr == constant(Yes) }

// NeedsRoot reports whether no span is selected without its trace's root being known: a scan for candidates then
// needs to look at roots only.
func (q *Query) NeedsRoot() bool { return q.expr.needsRoot(q.fields) }

// WithTraceDuration returns a query that also wants the trace to last at least and at most as long; 0 means no bound.
func (q *Query) WithTraceDuration(least, most time.Duration) *Query {
	p := parser{root: q.expr, fields: slices.Clone(q.fields)}
	for _, bound := range []struct {
		op operator
		d  time.Duration
	}{{opGreaterEqual, least}, {opLessEqual, most}} {
		if bound.d > 0 {
			f, _ := intrinsicField("traceDuration")
			lit := literal{Value: Value{Kind: KindDuration, Int: int64(bound.d)}}
			p.root = and{p.root, &compare{field: p.use(f), op: bound.op, lit: lit}}
		}
	}
	return &Query{expr: p.root, fields: p.fields}
}

// Match answers whether the span behind s is selected. It answers Maybe only if s gave a Value of KindUnknown that
// decides.
func (q *Query) Match(s Source) Verdict { return q.expr.eval(s) }

// A Source gives the values of one span.
type Source interface {
	// Value returns the value of Fields()[field]; KindNil if the span has none, KindUnknown if it cannot be known
	// yet. Byte views in it live until the next call.
	Value(field int) Value
}

// A Verdict is an answer of Match. The order matters: and is the least, or is the greatest of two.
type Verdict uint8

// The verdicts.
const (
	No Verdict = iota
	Maybe
	Yes
)
