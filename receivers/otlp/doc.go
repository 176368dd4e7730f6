// Package otlp is the OTLP receiver: gRPC and HTTP, protobuf and JSON.
//
// A request is admitted by size before it is inflated, read into a pooled buffer, checked once by package wire, and passed
// on. Protobuf is not decoded; only JSON is transcoded, with pdata.
//
// The response follows the sink's answer: nil is 200; Refused is 503 (429) or UNAVAILABLE (RESOURCE_EXHAUSTED) with a delay;
// Rejected is 400 or INVALID_ARGUMENT, or a partial success (https://opentelemetry.io/docs/specs/otlp/).
package otlp
