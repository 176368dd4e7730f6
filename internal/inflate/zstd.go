package inflate

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sluiceio/sluice/internal/buffer"
)

// maxWindow is the largest zstd window that is accepted, the 8 MiB that RFC 8878 recommends. It is never allocated:
// the output buffer is the window, so a header's claim costs nothing.
const maxWindow = 8 << 20

// maxBlock is the largest inflated zstd block.
const maxBlock = 128 << 10

// The first guess of the inflated size. The bound from the blocks is far too high for small bodies.
const (
	likelyRatio = 16
	likelyLeast = 8 << 10
)

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		panic("BUG: the zstd options are fixed: " + err.Error())
	}
	return d
}}

var packedBodies buffer.Scratch

func readZstd(dst []byte, body io.Reader, lim Limits) ([]byte, error) {
	buf := packedBodies.Get()
	defer packedBodies.Put(buf)
	// Incompressible bytes grow a little.
	packed, err := readAll(*buf, body, 0, Limits{Max: lim.Max + lim.Max>>7 + 1<<10, Grow: lim.Grow})
	*buf = packed
	if err != nil {
		return dst[:0], err
	}
	return inflateZstd(dst, packed, lim)
}

// inflateZstd inflates into dst's storage. If its guess is too small it starts again with the upper bound: at most
// twice the work.
func inflateZstd(dst, packed []byte, lim Limits) ([]byte, error) {
	if len(packed) == 0 {
		return dst[:0], nil
	}
	most := mostInflated(packed)
	bound := int(min(most, int64(lim.Max)))
	want := min(max(likelyRatio*len(packed), likelyLeast, min(cap(dst), lim.Max)), bound)
	d := zstdReaders.Get().(*zstd.Decoder)
	defer zstdReaders.Put(d)
	for {
		if lim.Grow != nil {
			if err := lim.Grow(want + len(packed)); err != nil {
				return dst[:0], err
			}
		}
		if cap(dst) < want {
			dst = make([]byte, 0, want)
		}
		got, err := d.DecodeAll(packed, dst[:0:want])
		switch {
		case err == nil && len(got) <= want:
			return got, nil
		case want < bound:
			want = bound
		case most > int64(lim.Max):
			return dst[:0], fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, lim.Max)
		default:
			return dst[:0], fmt.Errorf("cannot read the body: %w", err)
		}
	}
}

// mostInflated is an upper bound of the inflated size from the frame and block headers; arbitrary if they are
// broken. It is tight when all blocks but the last are full, as encoders make them.
func mostInflated(packed []byte) (n int64) {
	var frame zstd.Header
	for len(packed) > 0 {
		rest, err := frame.DecodeAndStrip(packed)
		if err != nil {
			return max(n, 1)
		}
		if frame.Skippable {
			packed = rest[min(int64(frame.SkippableSize), int64(len(rest))):]
			continue
		}
		inflated := int64(0)
		for last := false; !last; {
			if len(rest) < 3 {
				return max(n+inflated, 1)
			}
			head := int(rest[0]) | int(rest[1])<<8 | int(rest[2])<<16
			last = head&1 != 0
			size := head >> 3
			rest = rest[3:]
			switch head >> 1 & 3 {
			case 0: // as it is
				inflated += int64(size)
			case 1: // one byte, repeated
				inflated += int64(size)
				size = 1
			default:
				inflated += maxBlock
			}
			rest = rest[min(size, len(rest)):]
		}
		if frame.HasFCS {
			inflated = min(inflated, int64(min(frame.FrameContentSize, 1<<62)))
		}
		n += inflated
		if frame.HasCheckSum {
			rest = rest[min(4, len(rest)):]
		}
		packed = rest
	}
	return max(n, 1)
}
