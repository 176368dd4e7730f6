package canary

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// The attributes of a canary's records: the first two of the resource, the last one of the log record or span. Of metrics, the
// value is the number. The processor canary reads them.
const (
	attributeInstance = "sluice.canary.instance"
	attributeRun      = "sluice.canary.run"
	attributeSequence = "sluice.canary.sequence"
)

const (
	serviceName  = "sluice-canary"
	metricName   = "sluice.canary.sequence"
	severityInfo = 9
)

// A record is one number of a canary.
type record struct {
	instance string
	sequence sequence
	at       time.Time
}

// request encodes the record as an OTLP request.
func (r record) request(sig pipeline.Signal) []byte {
	dst, resourceX := wire.BeginMessage(nil, wire.FieldRequestResource)
	dst, resource := wire.BeginMessage(dst, wire.FieldResourceXResource)
	dst = wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, "service.name", serviceName)
	dst = wire.AppendStringAttribute(dst, wire.FieldResourceAttributes, attributeInstance, r.instance)
	dst = wire.AppendIntAttribute(dst, wire.FieldResourceAttributes, attributeRun, r.sequence.run)
	dst = wire.EndMessage(dst, resource)
	dst, scope := wire.BeginMessage(dst, wire.FieldResourceXScope)
	dst, item := wire.BeginMessage(dst, wire.FieldScopeXItem)
	switch sig {
	case pipeline.Logs:
		dst = r.log(dst)
	case pipeline.Metrics:
		dst = r.metric(dst)
	case pipeline.Traces:
		dst = r.span(dst)
	}
	return wire.EndMessage(wire.EndMessage(wire.EndMessage(dst, item), scope), resourceX)
}

func (r record) now() uint64 { return uint64(r.at.UnixNano()) }

func (r record) log(dst []byte) []byte {
	dst = wire.AppendFixed64(dst, wire.FieldLogTime, r.now())
	dst = wire.AppendUint(dst, wire.FieldLogSeverityNumber, severityInfo)
	dst, body := wire.BeginMessage(dst, wire.FieldLogBody)
	dst = wire.EndMessage(wire.AppendString(dst, wire.FieldValueString, "canary "+strconv.FormatUint(r.sequence.n, 10)), body)
	dst = wire.AppendIntAttribute(dst, wire.FieldLogAttributes, attributeSequence, int64(r.sequence.n))
	return wire.AppendFixed64(dst, wire.FieldLogObservedTime, r.now())
}

func (r record) metric(dst []byte) []byte {
	dst = wire.AppendString(dst, wire.FieldMetricName, metricName)
	dst = wire.AppendString(dst, wire.FieldMetricDescription, "The number of the canary's last record.")
	dst, gauge := wire.BeginMessage(dst, wire.FieldMetricGauge)
	dst, point := wire.BeginMessage(dst, wire.FieldDataPoints)
	dst = wire.AppendFixed64(dst, wire.FieldNumberTime, r.now())
	dst = wire.AppendFixed64(dst, wire.FieldNumberInt, r.sequence.n)
	return wire.EndMessage(wire.EndMessage(dst, point), gauge)
}

func (r record) span(dst []byte) []byte {
	var ids [24]byte
	_, _ = rand.Read(ids[:]) // it never fails
	dst = wire.AppendBytes(dst, wire.FieldSpanTraceID, ids[:16])
	dst = wire.AppendBytes(dst, wire.FieldSpanSpanID, ids[16:])
	dst = wire.AppendString(dst, wire.FieldSpanName, "canary")
	dst = wire.AppendUint(dst, wire.FieldSpanKind, 1) // internal
	dst = wire.AppendFixed64(dst, wire.FieldSpanStart, r.now())
	dst = wire.AppendFixed64(dst, wire.FieldSpanEnd, r.now())
	return wire.AppendIntAttribute(dst, wire.FieldSpanAttributes, attributeSequence, int64(r.sequence.n))
}
