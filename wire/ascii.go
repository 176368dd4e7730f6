package wire

import "encoding/binary"

// ascii reports whether s has only bytes below 0x80. Nearly all strings are short and ASCII, hence no loop below 16
// bytes: the last word overlaps the one before it.
func ascii(s []byte) bool {
	const high = 0x8080808080808080
	n := len(s)
	if n >= 8 {
		x := binary.LittleEndian.Uint64(s[n-8:])
		for len(s) > 8 {
			x |= binary.LittleEndian.Uint64(s)
			s = s[8:]
		}
		return x&high == 0
	}
	if n >= 4 {
		return uint64(binary.LittleEndian.Uint32(s)|binary.LittleEndian.Uint32(s[n-4:]))&high == 0
	}
	if n > 0 {
		return s[0]|s[n>>1]|s[n-1] < 0x80
	}
	return true
}
