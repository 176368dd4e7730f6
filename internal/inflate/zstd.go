package inflate

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/sluiceio/sluice/internal/buffer"
)

// maxWindow is the largest window that a zstd frame may ask for; 8 MiB is what RFC 8878 asks decoders to support. We
// never allocate one: a body is read whole and then inflated into the buffer that is its window, so that what a
// header claims costs nothing that was not asked for.
const maxWindow = 8 << 20

// maxBlock is what one zstd block may inflate to.
const maxBlock = 128 << 10

// Before the blocks are believed about how much they inflate to, this much is tried: they claim too much when they
// are small, as those of a small body.
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
	// Bytes that cannot be compressed become a little larger.
	packed, err := readAll(*buf, body, 0, Limits{Max: lim.Max + lim.Max>>7 + 1<<10, Grow: lim.Grow})
	*buf = packed
	if err != nil {
		return dst[:0], err
	}
	return inflateZstd(dst, packed, lim)
}

// inflateZstd inflates into dst's storage. When its guess of the room is too small it begins anew with all that the
// blocks may need: at most twice the work.
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
		// What does not fit is an error, but not always the one that says so.
		got, err := d.DecodeAll(packed, dst[:0:want])
		switch {
		case err == nil && len(got) <= want:
			return got, nil
		case want < bound:
			want = bound
		case most > int64(lim.Max):
			return dst[:0], fmt.Errorf("%w of %d bytes", ErrTooLarge, lim.Max)
		default:
			return dst[:0], fmt.Errorf("cannot read the body: %w", err)
		}
	}
}

// mostInflated is how many bytes packed inflates to at most, found by a look at its frames' and blocks' heads; anything
// where they are broken. It is near to the truth when all blocks but the last are full, as encoders make them.
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
