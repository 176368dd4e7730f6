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
)

// A Query is a parsed selection of spans. It is read-only after Parse and may be used by several goroutines.
type Query struct {
	expr   node
	fields []Field
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

// A node is a part of a query's expression.
type node interface {
	eval(s Source) Verdict
	// needsRoot reports whether the node can be Yes only where the trace's root is known.
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
