// Package ottl compiles the OpenTelemetry Transformation Language into programs over encoded requests.
//
// A statement is a tree (package syntax), then a closure over a record: the messages around the current item, as cursors
// and pending edits, so that each statement sees the writes before it. A request that nothing touches is returned as it
// came. Everything a record needs in between lies in its arena, which is reused. The package is one, because expressions,
// paths and functions all work on the same record and value.
package ottl
