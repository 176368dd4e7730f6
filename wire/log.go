package wire

// A Log is a view of a LogRecord.
type Log struct {
	Time, ObservedTime       uint64 // ns since 1970
	SeverityText             []byte
	TraceID, SpanID          []byte // 16 and 8 bytes, or empty
	EventName                []byte
	Body                     Value
	SeverityNumber           int32
	Flags, DroppedAttributes uint32
	attrs                    []byte // from the first attribute to the last
}

// ParseLog reads a LogRecord body.
func ParseLog(item []byte) Log {
	l := Log{}
	first, last := -1, 0
	for pos := 0; pos < len(item); {
		var v uint64
		switch item[pos] {
		case FieldLogTime<<3 | TypeFixed64:
			l.Time, pos = fixed64(item, pos+1)
		case FieldLogObservedTime<<3 | TypeFixed64:
			l.ObservedTime, pos = fixed64(item, pos+1)
		case FieldLogSeverityNumber<<3 | TypeVarint:
			v, pos = uvarint(item, pos+1)
			l.SeverityNumber = int32(v)
		case FieldLogSeverityText<<3 | TypeBytes:
			l.SeverityText, pos = view(item, pos+1)
		case FieldLogBody<<3 | TypeBytes:
			var b []byte
			b, pos = view(item, pos+1)
			l.Body = parseValue(b)
		case FieldLogAttributes<<3 | TypeBytes:
			if first < 0 {
				first = pos
			}
			_, pos = view(item, pos+1)
			last = pos
		case FieldLogDroppedAttributes<<3 | TypeVarint:
			v, pos = uvarint(item, pos+1)
			l.DroppedAttributes = uint32(v)
		case FieldLogFlags<<3 | TypeFixed32:
			l.Flags, pos = fixed32(item, pos+1)
		case FieldLogTraceID<<3 | TypeBytes:
			l.TraceID, pos = view(item, pos+1)
		case FieldLogSpanID<<3 | TypeBytes:
			l.SpanID, pos = view(item, pos+1)
		case FieldLogEventName<<3 | TypeBytes:
			l.EventName, pos = view(item, pos+1)
		default:
			pos = skip(item, pos)
		}
	}
	if first >= 0 {
		l.attrs = item[first:last]
	}
	return l
}

// Attributes returns a cursor over the attributes of the record.
func (l Log) Attributes() Attributes { return attributes(l.attrs, FieldLogAttributes) }
