// Package wire reads, checks, edits, splits and builds OTLP export requests as the protobuf bytes they are.
//
// A body from outside becomes a [Request] through [Check] and through nothing else: Check validates the whole message
// tree once and brings irregular but legal encodings to one canonical form, so that every later reader (the cursors
// and views of this package) may rely on that form, needs no error path and allocates nothing. Views alias the bytes
// they were made from and live exactly as long as these.
//
// The canonical form, the closed list of what is refused beyond what pdata refuses, and measured figures are in
// README.md. The package imports the standard library only.
//
// It is one package, large as it is: check, cursors, edits and split share one table of the schema, helpers that must
// inline, and the generator of the differential tests.
package wire
