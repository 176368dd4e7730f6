package wire

// Fast paths for the usual shapes of attributes and bodies. false only means that the schema walk must decide.

// plainKeyValue reports whether b is a canonical KeyValue with an ASCII key and a scalar value, both below 128
// bytes.
func plainKeyValue(b []byte) bool {
	n := len(b)
	if n < 4 || b[1] >= 0x80 {
		return false
	}
	second := int(b[1]) + 2
	if second+2 > n || b[second+1] >= 0x80 || int(b[second+1]) != n-second-2 {
		return false
	}
	key, value := b[2:second], b[second+2:]
	switch uint16(b[0])<<8 | uint16(b[second]) {
	case keyTag<<8 | valueTag:
	case valueTag<<8 | keyTag:
		key, value = value, key
	default:
		return false
	}
	if len(value) >= 2 && value[0] == FieldValueString<<3|TypeBytes && int(value[1]) == len(value)-2 {
		return ascii(b) // what frames the two strings is below 0x80, too, and one long pass is cheaper than two
	}
	return ascii(key) && plainValue(value)
}

// plainValue reports whether b is a canonical AnyValue that is empty or a scalar other than a string.
func plainValue(b []byte) bool {
	n := len(b)
	if n < 2 {
		return n == 0
	}
	switch b[0] {
	case FieldValueBool<<3 | TypeVarint:
		return n == 2 && b[1] < 0x80
	case FieldValueInt<<3 | TypeVarint:
		if n > 10 {
			return false // ten bytes: negative, or cut off
		}
		for _, x := range b[1 : n-1] {
			if x < 0x80 {
				return false
			}
		}
		return b[n-1] < 0x80 && (b[n-1] > 0 || n == 2)
	case FieldValueDouble<<3 | TypeFixed64:
		return n == 9
	}
	return false
}

// plainText reports whether b is a canonical AnyValue with an ASCII string below 16 KiB.
func plainText(b []byte) bool {
	if len(b) < 3 || b[0] != FieldValueString<<3|TypeBytes {
		return false
	}
	n, start := int(b[1]), 2
	if n >= 0x80 {
		if b[2] >= 0x80 || b[2] == 0 {
			return false
		}
		n, start = n&0x7f|int(b[2])<<7, 3
	}
	return n == len(b)-start && ascii(b[start:])
}
