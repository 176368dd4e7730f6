package inflate

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

func deflate(t testing.TB, encoding string, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	case SnappyFramed:
		w = snappy.NewBufferedWriter(&b)
	case "zlib", "deflate":
		w = zlib.NewWriter(&b)
	case "lz4":
		w = lz4.NewWriter(&b)
	case "snappy":
		return snappy.Encode(nil, plain)
	default:
		return plain
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRead(t *testing.T) {
	for _, enc := range []string{"", "identity", "gzip", "zstd", "zlib", "deflate", "lz4", "snappy", SnappyFramed} {
		for _, n := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 300_000} {
			plain := bytes.Repeat([]byte("0123456789"), n/10+1)[:n]
			for _, hint := range []int{0, 1, n, 2 * n} {
				var asked int
				got, err := Read(nil, iotest.HalfReader(bytes.NewReader(deflate(t, enc, plain))), enc, hint,
					Limits{Max: 1 << 20, Grow: func(n int) error { asked = n; return nil }})
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%q, %d bytes, hint %d: got %d bytes, %v", enc, n, hint, len(got), err)
				}
				if asked < len(got) {
					t.Errorf("%q, %d bytes, hint %d: grew to %d bytes but asked for %d", enc, n, hint, len(got), asked)
				}
			}
		}
	}
}

func TestLimitIsOnTheInflatedSize(t *testing.T) {
	const limit = 100_000
	for _, enc := range []string{"", "gzip", "zstd", SnappyFramed} {
		exact := deflate(t, enc, make([]byte, limit))
		if got, err := Read(nil, bytes.NewReader(exact), enc, 0, Limits{Max: limit}); err != nil || len(got) != limit {
			t.Errorf("%q: exactly the limit: %d bytes, %v", enc, len(got), err)
		}
		var most int
		_, err := Read(nil, bytes.NewReader(deflate(t, enc, make([]byte, 50*limit))), enc, 0,
			Limits{Max: limit, Grow: func(n int) error { most = max(most, n); return nil }})
		if !errors.Is(err, ErrTooLarge) || most > limit+1<<10 { // the compressed body is held, too
			t.Errorf("%q: a bomb: %v, grew to %d", enc, err, most)
		}
	}
}

func TestGrowthIsAskedFor(t *testing.T) {
	no := errors.New("no room")
	_, err := Read(nil, strings.NewReader(strings.Repeat("x", 1<<20)), "", 0, Limits{Max: 1 << 21, Grow: func(n int) error {
		if n > 1<<17 {
			return no
		}
		return nil
	}})
	if !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
}

func TestUnknownEncoding(t *testing.T) {
	if _, err := Read(nil, strings.NewReader("x"), "br", 0, Limits{Max: 10}); !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), "gzip, zstd") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead: whatever comes, no panic, never more than the limit, and a reader from the pool is as good as new
// afterwards.
func FuzzRead(f *testing.F) {
	for _, enc := range []string{"gzip", "zstd", SnappyFramed} {
		f.Add(enc, deflate(f, enc, []byte("hello hello hello")))
		f.Add(enc, deflate(f, enc, make([]byte, 1<<16))[:20])
	}
	good := map[string][]byte{"gzip": deflate(f, "gzip", []byte("good")), "zstd": deflate(f, "zstd", []byte("good"))}
	f.Fuzz(func(t *testing.T, enc string, body []byte) {
		got, _ := Read(nil, bytes.NewReader(body), enc, 0, Limits{Max: 1 << 16})
		if len(got) > 1<<16 {
			t.Fatalf("%d bytes", len(got))
		}
		for enc, body := range good {
			if got, err := Read(nil, bytes.NewReader(body), enc, 0, Limits{Max: 10}); err != nil || string(got) != "good" {
				t.Fatalf("after %q: %q, %v", body, got, err)
			}
		}
	})
}

// TestAPooledBufferIsAskedForToo: room that an earlier body left is memory like any other.
func TestAPooledBufferIsAskedForToo(t *testing.T) {
	no := errors.New("no room")
	_, err := Read(make([]byte, 0, 1<<20), strings.NewReader(strings.Repeat("x", 256<<10)), "", 0, Limits{
		Max: 1 << 20, Grow: func(n int) error {
			if n > 64<<10 {
				return no
			}
			return nil
		},
	})
	if !errors.Is(err, no) {
		t.Errorf("a body of 256 KiB was read although only 64 KiB were granted: %v", err)
	}
}

// TestAPooledBufferIsUsedToItsEnd: a body that fits is read into it, whatever the steps of growth are.
func TestAPooledBufferIsUsedToItsEnd(t *testing.T) {
	plain := make([]byte, 150_000)
	for _, enc := range []string{"", "gzip", "zstd"} {
		room := make([]byte, 0, 160_000)
		got, err := Read(room, bytes.NewReader(deflate(t, enc, plain)), enc, 0, Limits{Max: 1 << 20})
		if err != nil || len(got) != len(plain) || &got[0] != &room[:1][0] {
			t.Errorf("%q: %d bytes in a buffer of %d, %v", enc, len(got), cap(got), err)
		}
	}
}

// TestADeclaredLengthIsNotTrusted: what is asked for stays near to what came, whatever was declared, and a usual body
// whose length is right grows once.
func TestADeclaredLengthIsNotTrusted(t *testing.T) {
	for _, c := range []struct{ sent, hint, most, steps int }{
		{0, 20 << 20, firstDeclared, 1},
		{firstDeclared, 20 << 20, declared, 2},
		{declared, 20 << 20, 2 * declared, 3},
		{10_000, 10_000, 10_001, 1},
		{350_000, 350_000, 350_001, 2},
		{3 << 20, 3 << 20, 3<<20 + 1, 4},
	} {
		var most, steps int
		got, err := Read(nil, bytes.NewReader(make([]byte, c.sent)), "", c.hint, Limits{
			Max: 20 << 20, Grow: func(n int) error { most = max(most, n); steps++; return nil },
		})
		if err != nil || len(got) != c.sent || most != c.most || steps != c.steps || cap(got) != most {
			t.Errorf("%d bytes of %d declared: got %d, asked for %d in %d steps, has room for %d, %v; want %d in %d",
				c.sent, c.hint, len(got), most, steps, cap(got), err, c.most, c.steps)
		}
	}
}

// TestATornFrameIsNoBody: whichever way it is compressed, a body that was cut anywhere is an error, not a shorter body.
func TestATornFrameIsNoBody(t *testing.T) {
	plain := make([]byte, 200_000)
	for i := range plain {
		plain[i] = byte(i * i >> 8)
	}
	for _, enc := range []string{"gzip", "zstd", "zlib", "lz4", "snappy", SnappyFramed} {
		packed := deflate(t, enc, plain)
		step := max(1, len(packed)/400)
		for n := 1; n < len(packed); n += step {
			if enc == SnappyFramed && n > 10 {
				break // its frames have no end: a cut between two of them cannot be seen
			}
			got, err := Read(nil, bytes.NewReader(packed[:n]), enc, 0, Limits{Max: 1 << 20})
			if err == nil {
				t.Fatalf("%s cut to %d of %d bytes is taken as %d bytes", enc, n, len(packed), len(got))
			}
		}
		for n := len(packed) - 1; n > len(packed)-12; n-- {
			if got, err := Read(nil, bytes.NewReader(packed[:n]), enc, 0, Limits{Max: 1 << 20}); err == nil && enc != SnappyFramed {
				t.Fatalf("%s cut to %d of %d bytes is taken as %d bytes", enc, n, len(packed), len(got))
			}
		}
	}
}
