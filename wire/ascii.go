package wire

import "encoding/binary"

const high = 0x8080808080808080

// ascii reports whether s has only bytes below 0x80. Up to 32 bytes, nearly all strings, it reads overlapping words
// without a loop, which would cost a branch misprediction.
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

// asciiLong is ascii for more than 32 bytes.
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
