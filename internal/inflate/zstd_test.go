package inflate

import (
	"bytes"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// hugeWindow is 86 bytes that ask for a window of 512 MiB and inflate to 20 blocks of 64 KiB.
func hugeWindow(window byte) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, window}
	for range 19 {
		b = append(b, 0x02, 0x00, 0x10, 0x00)
	}
	return append(b, 0x03, 0x00, 0x10, 0x00)
}

// TestAWindowIsNoMemory: what a frame claims to need allocates nothing; ten of these made a heap of 3 GB.
func TestAWindowIsNoMemory(t *testing.T) {
	for window, good := range map[byte]bool{0x98: false, 0x68: true /* 8 MiB */} {
		body := hugeWindow(window)
		const limit = 4 << 20
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 10 {
			asked := 0
			got, err := Read(nil, bytes.NewReader(body), "zstd", 0, Limits{Max: limit, Grow: func(n int) error {
				asked = max(asked, n)
				return nil
			}})
			if good != (err == nil) || !good && !strings.Contains(err.Error(), "window") {
				t.Errorf("window %#x: %d bytes, %v", window, len(got), err)
			}
			if asked < len(got) || asked > 20*128<<10+1<<10 {
				t.Errorf("window %#x: %d bytes, asked for %d", window, len(got), asked)
			}
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / 10; n > 4<<20 {
			t.Errorf("window %#x: %d bytes are allocated for a body", window, n)
		}
	}
}

// TestSmallBlocks: an encoder that flushes often makes blocks that claim far more than they hold.
func TestSmallBlocks(t *testing.T) {
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	var plain []byte
	for range 1000 {
		line := []byte(strings.Repeat("a line of a log ", 4))
		plain = append(plain, line...)
		w.Write(line)
		w.Flush()
	}
	w.Close()
	if most := mostInflated(packed.Bytes()); most < 100<<20 {
		t.Fatalf("the blocks claim only %d bytes", most)
	}
	asked := 0
	got, err := Bytes(nil, packed.Bytes(), "zstd", Limits{Max: 20 << 20, Grow: func(n int) error { asked = n; return nil }})
	if err != nil || !bytes.Equal(got, plain) || asked > 1<<20 {
		t.Errorf("%d of %d bytes, %v; asked for %d", len(got), len(plain), err, asked)
	}
}

// FuzzZstd: what a streaming decoder reads, with a window in memory, is what we read without one.
func FuzzZstd(f *testing.F) {
	for _, n := range []int{0, 1, 1000, 200 << 10} {
		f.Add(deflate(f, "zstd", bytes.Repeat([]byte("some text "), n/10)))
	}
	two := deflate(f, "zstd", []byte("one"))
	two = append(append(two, 0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2), deflate(f, "zstd", []byte("two"))...)
	f.Add(two)
	f.Add(hugeWindow(0x68))
	f.Add(hugeWindow(0x98))
	const limit = 1 << 20
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := Bytes(nil, body, "zstd", Limits{Max: limit})
		if d.Reset(bytes.NewReader(body)) != nil {
			return
		}
		want, wantErr := io.ReadAll(io.LimitReader(d, limit+1))
		switch {
		case wantErr == nil && len(want) <= limit && (err != nil || !bytes.Equal(got, want)):
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
		case wantErr == nil && len(want) > limit && err == nil:
			t.Errorf("%d bytes; want an error", len(got))
		case wantErr != nil && err == nil:
			t.Errorf("%d bytes; want %v", len(got), wantErr)
		}
	})
}
