// Package inflate reads compressed bodies from the network. It never trusts a declared length: output grows as it
// is read, up to a limit, and the caller is asked before each growth.
package inflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/pierrec/lz4/v4"
)

// ErrTooLarge is for a body that inflates beyond the limit.
var ErrTooLarge = errors.New("the body is larger than the limit once inflated")

// ErrEncoding is for an unsupported Content-Encoding.
var ErrEncoding = errors.New("unknown content encoding")

// Encodings are those that Read supports, as an Accept-Encoding value.
const Encodings = "gzip, zstd, deflate, zlib, snappy, lz4"

const (
	firstRead     = 16 << 10 // room that a body of unknown length gets first
	firstDeclared = 16 << 10 // the same for one whose length is declared: connections that send nothing hold no more
	declared      = 1 << 20  // a sender who filled that is believed up to here, so that usual bodies grow once
)

// SnappyFramed is snappy's framing format, called "snappy" by gRPC and "x-snappy-framed" by the Collector's HTTP
// servers. It is accepted but not advertised.
const SnappyFramed = "x-snappy-framed"

// Limits bounds one Read.
type Limits struct {
	Max  int               // bytes of inflated output; more is ErrTooLarge
	Grow func(n int) error // asked before n bytes are held, compressed ones too; its error ends the read. May be nil
}

// Read reads all of body into dst's storage, which grows as needed, decoding it ("", "identity", one of Encodings,
// SnappyFramed). sizeHint is the expected size, 0 or less if unknown; a wrong hint costs time, not memory.
func Read(dst []byte, body io.Reader, encoding string, sizeHint int, lim Limits) ([]byte, error) {
	switch encoding {
	case "", "identity":
		return readAll(dst, body, sizeHint, lim)
	case "gzip":
		return readGzip(dst, body, sizeHint, lim)
	case "zstd":
		return readZstd(dst, body, lim)
	case SnappyFramed:
		return readSnappy(dst, body, sizeHint, lim)
	case "snappy":
		return readSnappyBlock(dst, body, lim)
	case "zlib", "deflate": // both mean zlib, as in RFC 9110 and the Collector
		return readZlib(dst, body, sizeHint, lim)
	case "lz4":
		return readLZ4(dst, body, sizeHint, lim)
	}
	return dst[:0], fmt.Errorf("%w %q; use %s or none", ErrEncoding, encoding, Encodings)
}

var gzipReaders = sync.Pool{New: func() any { return new(gzip.Reader) }}

func readGzip(dst []byte, body io.Reader, sizeHint int, lim Limits) ([]byte, error) {
	z := gzipReaders.Get().(*gzip.Reader)
	defer gzipReaders.Put(z)
	if err := z.Reset(body); err != nil {
		return dst[:0], fmt.Errorf("cannot read the gzip header: %w", err)
	}
	return readAll(dst, z, sizeHint, lim)
}

var snappyReaders = sync.Pool{New: func() any { return snappy.NewReader(nil) }}

func readSnappy(dst []byte, body io.Reader, sizeHint int, lim Limits) ([]byte, error) {
	z := snappyReaders.Get().(*snappy.Reader)
	defer snappyReaders.Put(z)
	z.Reset(body)
	return readAll(dst, z, sizeHint, lim)
}

// readSnappyBlock reads one snappy block, which begins with its inflated size, or frames, which some clients label
// the same.
func readSnappyBlock(dst []byte, body io.Reader, lim Limits) ([]byte, error) {
	buf := packedBodies.Get()
	defer packedBodies.Put(buf)
	packed, err := readAll(*buf, body, 0, Limits{Max: snappy.MaxEncodedLen(lim.Max), Grow: lim.Grow})
	*buf = packed
	if err != nil {
		return dst[:0], err
	}
	if bytes.HasPrefix(packed, []byte("\xff\x06\x00\x00sNaPpY")) {
		return Bytes(dst, packed, SnappyFramed, lim)
	}
	if len(packed) == 0 {
		return dst[:0], nil
	}
	n, err := snappy.DecodedLen(packed)
	switch {
	case err != nil:
		return dst[:0], fmt.Errorf("cannot read the body: %w", err)
	case n > maxSnappyRatio*len(packed):
		return dst[:0], errors.New("cannot read the body: the snappy block claims to be larger than it can be")
	case n > lim.Max:
		return dst[:0], fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, lim.Max)
	}
	if lim.Grow != nil {
		if err := lim.Grow(n + len(packed)); err != nil {
			return dst[:0], err
		}
	}
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	got, err := snappy.Decode(dst[:n], packed)
	if err != nil {
		return dst[:0], fmt.Errorf("cannot read the body: %w", err)
	}
	return got, nil
}

// maxSnappyRatio bounds a declared size: a two-byte copy yields 64 bytes.
const maxSnappyRatio = 64

var zlibReaders sync.Pool

func readZlib(dst []byte, body io.Reader, sizeHint int, lim Limits) ([]byte, error) {
	z, is := zlibReaders.Get().(io.ReadCloser)
	var err error
	if is {
		err = z.(zlib.Resetter).Reset(body, nil)
	} else {
		z, err = zlib.NewReader(body)
	}
	if err != nil {
		return dst[:0], fmt.Errorf("cannot read the zlib header: %w", err)
	}
	defer zlibReaders.Put(z)
	return readAll(dst, z, sizeHint, lim)
}

// lz4Blocks is what an LZ4 reader may hold besides its output: a block and its source, 4 MiB each at most.
const lz4Blocks = 8 << 20

func readLZ4(dst []byte, body io.Reader, sizeHint int, lim Limits) ([]byte, error) {
	buf := packedBodies.Get()
	defer packedBodies.Put(buf)
	packed, err := readAll(*buf, body, 0, Limits{Max: lim.Max + lim.Max>>7 + 1<<10, Grow: lim.Grow})
	*buf = packed
	if err != nil {
		return dst[:0], err
	}
	if !wholeLZ4(packed) {
		return dst[:0], fmt.Errorf("cannot read the body: %w", io.ErrUnexpectedEOF)
	}
	both := lim
	if lim.Grow != nil {
		both.Grow = func(n int) error { return lim.Grow(n + len(packed) + lz4Blocks) }
	}
	return readAll(dst, lz4.NewReader(bytes.NewReader(packed)), sizeHint, both)
}

// wholeLZ4 reports whether frames end with their end mark and checksum: the library accepts a truncation between
// two blocks. See the LZ4 frame format 1.6.
func wholeLZ4(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	for len(b) > 0 {
		if len(b) < 7 || binary.LittleEndian.Uint32(b) != 0x184D2204 {
			return len(b) >= 4 && binary.LittleEndian.Uint32(b) != 0x184D2204 // another frame, or none
		}
		flags, at := b[4], 7
		if flags&8 != 0 {
			at += 8 // content size
		}
		if flags&1 != 0 {
			at += 4 // dictionary
		}
		for {
			if len(b) < at+4 {
				return false
			}
			n := binary.LittleEndian.Uint32(b[at:])
			at += 4
			if n == 0 {
				break
			}
			if at += int(n &^ (1 << 31)); flags&16 != 0 {
				at += 4 // checksum of the block
			}
		}
		if flags&4 != 0 {
			at += 4 // checksum of the content
		}
		if len(b) < at {
			return false
		}
		b = b[at:]
	}
	return true
}

// Bytes is Read for a body in memory. Grow is asked for body too.
func Bytes(dst, body []byte, encoding string, lim Limits) ([]byte, error) {
	if encoding == "zstd" {
		return inflateZstd(dst, body, lim)
	}
	both := lim
	if lim.Grow != nil {
		both.Grow = func(n int) error { return lim.Grow(n + len(body)) }
	}
	return Read(dst, bytes.NewReader(body), encoding, 0, both)
}

// readAll reads in steps that at least double, so that a wrong hint costs at most one copy a step.
func readAll(dst []byte, r io.Reader, sizeHint int, lim Limits) ([]byte, error) {
	dst = dst[:0]
	want := firstRead
	if sizeHint > 0 {
		want = min(sizeHint+1, firstDeclared) // one more, so that the end is seen without growing
	}
	want = min(want, lim.Max)
	for {
		// Ask for the room that a pooled buffer already has, too.
		if lim.Grow != nil {
			if err := lim.Grow(want); err != nil {
				return dst, err
			}
		}
		if cap(dst) < want {
			bigger := make([]byte, len(dst), want)
			copy(bigger, dst)
			dst = bigger
		}
		n, err := fill(dst[len(dst):want], r)
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, fmt.Errorf("cannot read the body: %w", err)
		}
		if len(dst) >= lim.Max {
			return dst, atLimit(r, lim.Max)
		}
		want = step(want, sizeHint, lim.Max)
		if room := cap(dst); len(dst) < room && room < want {
			want = room // a pooled buffer is used to its end before a larger one is made
		}
	}
}

// step is the room after want bytes were filled.
func step(want, sizeHint, limit int) int {
	next := 2 * want
	if sizeHint >= want {
		next = min(max(next, declared), sizeHint+1)
	}
	return min(next, limit)
}

func fill(room []byte, r io.Reader) (n int, err error) {
	for n < len(room) && err == nil {
		var k int
		k, err = r.Read(room[n:])
		n += k
	}
	return n, err
}

// atLimit tells a body of exactly the limit from a larger one.
func atLimit(r io.Reader, limit int) error {
	var one [1]byte
	for {
		n, err := r.Read(one[:])
		switch {
		case n > 0:
			return fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("cannot read the body: %w", err)
		}
	}
}
