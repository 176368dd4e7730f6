// Package wire reads, checks, edits, splits and builds OTLP export requests in protobuf encoding.
//
// An untrusted body becomes a [Request] only through [Check], which validates it once and rewrites irregular but
// legal encodings into one canonical form. All readers (cursors and views) rely on that form: they return no errors
// and do not allocate. Views alias the bytes they were made from.
//
// README.md has the canonical form, the list of what only Check refuses, and benchmarks. The package imports the
// standard library only.
//
// It is one large package because its parts share the schema table, helpers that must inline, and the generator of
// the differential tests.
package wire
