// Package otlp is the OTLP receiver: gRPC and HTTP, protobuf and JSON.
//
// A request enters here and nowhere else as foreign bytes: it is admitted by bytes before it is inflated, read
// into a pooled buffer, checked once by package wire, and handed on. Protobuf is not decoded; JSON is transcoded
// to protobuf, the only place of the product where pdata works.
//
// The answer follows the sink's: nil is 200, Refused is 503 (429) or UNAVAILABLE (RESOURCE_EXHAUSTED) with a
// delay, Rejected is 400 or INVALID_ARGUMENT, or a partial success when only some items were rejected
// (https://opentelemetry.io/docs/specs/otlp/).
package otlp
