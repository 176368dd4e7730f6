// Package traceql parses the part of TraceQL that selects spans by conditions in one pair of braces, and matches
// spans.
//
// The table in the README of store/traces lists what is supported. All other TraceQL is an [Error] that names the
// construct and its position: a query is answered as Tempo would, or refused.
//
// [Query.Match] asks a [Source] for values by their position in [Query.Fields], so that a store can cache values
// shared by many spans (resource attributes).
package traceql

import (
	"slices"
	"time"
)

// A Query is a parsed query. It is read-only and safe for concurrent use.
type Query struct {
	expr   node
	fields []Field
}

// Fields lists what the query reads, in the order of first use. Do not modify it.
func (q *Query) Fields() []Field { return q.fields }

// MatchesAll reports whether the query selects every span.
func (q *Query) MatchesAll() bool { return q.expr == constant(Yes) }

// NeedsRoot reports whether a match requires a known root, so that a scan for candidates can skip other spans.
func (q *Query) NeedsRoot() bool { return q.expr.needsRoot(q.fields) }

// WithTraceDuration also bounds the trace's duration; 0 means no bound.
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

// A node is part of an expression.
type node interface {
	eval(s Source) Verdict
	// needsRoot reports whether the node can be Yes only if the root is known.
	needsRoot(fields []Field) bool
}

type (
	constant Verdict
	and      struct{ left, right node }
	or       struct{ left, right node }
	compare  struct {
		field int
		op    operator
		lit   literal
	}
)
