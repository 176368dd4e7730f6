package wire

// Fields walks the top-level fields of a message, known and unknown, in order.
type Fields struct {
	b          []byte
	start, pos int
	number     int
}

// MessageFields walks a message body.
func MessageFields(message []byte) Fields { return Fields{b: message} }

// Next moves to the next field.
func (f *Fields) Next() bool {
	if f.pos >= len(f.b) {
		return false
	}
	f.start = f.pos
	tag, _ := uvarint(f.b, f.pos)
	f.number = int(tag >> 3)
	f.pos = skip(f.b, f.pos)
	return true
}

// Number is the field number.
func (f *Fields) Number() int { return f.number }

// Framed is the field with tag and length.
func (f *Fields) Framed() []byte { return f.b[f.start:f.pos:f.pos] }

// Body is the content of a length-delimited field.
func (f *Fields) Body() []byte {
	_, at := uvarint(f.b, f.start)
	body, _ := view(f.b, at)
	return body
}

// ParseKeyValue reads a KeyValue body.
func ParseKeyValue(b []byte) (key []byte, v Value) {
	return find(b, FieldKeyValueKey), ParseValue(find(b, FieldKeyValueValue))
}
