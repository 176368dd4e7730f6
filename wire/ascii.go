package wire

import "encoding/binary"

// high has the bit of every byte of a word that ASCII does not have.
const high = 0x8080808080808080

// ascii reports whether s has only bytes below 0x80. Nearly all strings are short and ASCII: up to 32 bytes there is no
// loop, whose end a processor guesses wrong, but words that overlap.
func ascii(s []byte) bool {
	n := len(s)
	if n >= 16 {
		if n > 32 {
			return asciiLong(s)
		}
		t := s[n-16:]
		return (binary.LittleEndian.Uint64(s)|binary.LittleEndian.Uint64(s[8:])|
			binary.LittleEndian.Uint64(t)|binary.LittleEndian.Uint64(t[8:]))&high == 0
	}
	if n >= 8 {
		return (binary.LittleEndian.Uint64(s)|binary.LittleEndian.Uint64(s[n-8:]))&high == 0
	}
	if n >= 4 {
		return uint64(binary.LittleEndian.Uint32(s)|binary.LittleEndian.Uint32(s[n-4:]))&high == 0
	}
	if n > 0 {
		return s[0]|s[n>>1]|s[n-1] < 0x80
	}
	return true
}

// asciiLong is ascii for more than 32 bytes. The last four words overlap those before.
func asciiLong(s []byte) bool {
	t := s[len(s)-32:]
	x := binary.LittleEndian.Uint64(t) | binary.LittleEndian.Uint64(t[8:]) |
		binary.LittleEndian.Uint64(t[16:]) | binary.LittleEndian.Uint64(t[24:])
	for len(s) > 32 {
		x |= binary.LittleEndian.Uint64(s) | binary.LittleEndian.Uint64(s[8:]) |
			binary.LittleEndian.Uint64(s[16:]) | binary.LittleEndian.Uint64(s[24:])
		s = s[32:]
	}
	return x&high == 0
}
