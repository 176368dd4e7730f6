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
func ParseLog(item []byte) (l Log) {
	var attrs run
	for pos := 0; pos < len(item); {
		tag, at := item[pos], pos
		pos++
		if tag&7 == TypeBytes && tag < 0x80 {
			start, end := short(item, pos)
			if end == 0 {
				start, end = long(item, pos)
			}
			pos = end
			switch tag >> 3 {
			case FieldLogAttributes:
				attrs.add(at, end)
			case FieldLogBody:
				l.Body = parseValue(item[start:end:end])
			case FieldLogSeverityText:
				l.SeverityText = item[start:end:end]
			case FieldLogTraceID:
				l.TraceID = item[start:end:end]
			case FieldLogSpanID:
				l.SpanID = item[start:end:end]
			case FieldLogEventName:
				l.EventName = item[start:end:end]
			}
			continue
		}
		var v uint64
		switch tag {
		case FieldLogTime<<3 | TypeFixed64:
			l.Time, pos = fixed64(item, pos)
		case FieldLogObservedTime<<3 | TypeFixed64:
			l.ObservedTime, pos = fixed64(item, pos)
		case FieldLogSeverityNumber<<3 | TypeVarint:
			v, pos = uvarint(item, pos)
			l.SeverityNumber = int32(v)
		case FieldLogDroppedAttributes<<3 | TypeVarint:
			v, pos = uvarint(item, pos)
			l.DroppedAttributes = uint32(v)
		case FieldLogFlags<<3 | TypeFixed32:
			l.Flags, pos = fixed32(item, pos)
		default:
			pos = skip(item, at)
		}
	}
	l.attrs = attrs.of(item)
	return l
}

// Attributes returns a cursor over the attributes of the record.
func (l Log) Attributes() Attributes { return attributes(l.attrs, FieldLogAttributes) }
