package rows

import "github.com/sluiceio/sluice/wire"

// appendRest appends a label: length and bytes of the name, then of the value.
func appendRest(to []byte, label, value string) []byte {
	to = wire.AppendVarint(to, uint64(len(label)))
	to = append(to, label...)
	to = wire.AppendVarint(to, uint64(len(value)))
	return append(to, value...)
}

// EachRest calls f for each label in a FieldRest, up to damaged bytes.
func EachRest(s string, f func(label, value string)) {
	for s != "" {
		var label, value string
		var ok bool
		if label, s, ok = cutSized(s); !ok {
			return
		}
		if value, s, ok = cutSized(s); !ok {
			return
		}
		f(label, value)
	}
}

func cutSized(s string) (head, tail string, ok bool) {
	var n uint64
	for i := 0; i < len(s) && i < 9; i++ {
		n |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			s = s[i+1:]
			if n > uint64(len(s)) {
				return "", "", false
			}
			return s[:n], s[n:], true
		}
	}
	return "", "", false
}
