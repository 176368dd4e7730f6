package grpcserver

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/http2"
)

const (
	frameHeaderBytes = 9
	maxFrame         = 16 << 10 // HTTP/2's minimum for both directions, so never negotiated
	maxStreamID      = 1<<31 - 1
	maxWindow        = 1<<31 - 1
	initialWindow    = 65535 // HTTP/2's default
)

// With the 64 KiB default, large requests wait every few frames. Windows are not memory: received bytes count against the
// budget, at most a frame late.
const (
	streamWindow     = 1 << 20
	connectionWindow = 4 << 20
)

type frameHeader struct {
	length int
	typ    http2.FrameType
	flags  http2.Flags
	id     uint32
}

func readFrameHeader(b []byte) frameHeader {
	return frameHeader{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		typ:    http2.FrameType(b[3]),
		flags:  http2.Flags(b[4]),
		id:     binary.BigEndian.Uint32(b[5:]) & maxStreamID,
	}
}

func appendFrameHeader(dst []byte, h frameHeader) []byte {
	dst = append(dst, byte(h.length>>16), byte(h.length>>8), byte(h.length), byte(h.typ), byte(h.flags))
	return binary.BigEndian.AppendUint32(dst, h.id)
}

func appendHeaders(dst []byte, h frameHeader, fields []byte) []byte {
	h.typ, h.length = http2.FrameHeaders, len(fields)
	h.flags |= http2.FlagHeadersEndHeaders
	return append(appendFrameHeader(dst, h), fields...)
}

func appendReset(dst []byte, id uint32, code http2.ErrCode) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: 4, typ: http2.FrameRSTStream, id: id})
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, id uint32, n int) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: 4, typ: http2.FrameWindowUpdate, id: id})
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

func appendPing(dst []byte, flags http2.Flags, data [8]byte) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: 8, typ: http2.FramePing, flags: flags})
	return append(dst, data[:]...)
}

func appendGoAway(dst []byte, last uint32, code http2.ErrCode, why string) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: 8 + len(why), typ: http2.FrameGoAway})
	dst = binary.BigEndian.AppendUint32(dst, last)
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, why...)
}

func appendSettings(dst []byte, settings ...http2.Setting) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: 6 * len(settings), typ: http2.FrameSettings})
	for _, s := range settings {
		dst = binary.BigEndian.AppendUint16(dst, uint16(s.ID))
		dst = binary.BigEndian.AppendUint32(dst, s.Val)
	}
	return dst
}

// appendField appends a header field without Huffman coding or indexing, so that encoding is stateless (RFC 7541, 6.2.2).
func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, 0)
	dst = append(appendLength(dst, len(name)), name...)
	return append(appendLength(dst, len(value)), value...)
}

// appendLength appends an integer with a 7-bit prefix (RFC 7541, 5.1).
func appendLength(dst []byte, n int) []byte {
	if n < 127 {
		return append(dst, byte(n))
	}
	dst = append(dst, 127)
	for n -= 127; n >= 128; n >>= 7 {
		dst = append(dst, byte(n)|128)
	}
	return append(dst, byte(n))
}

// A connError ends the connection.
type connError struct {
	code http2.ErrCode
	why  string
}

func (e connError) Error() string { return fmt.Sprintf("%s (%s)", e.why, e.code) }

func violation(why string) error { return connError{http2.ErrCodeProtocol, why} }
