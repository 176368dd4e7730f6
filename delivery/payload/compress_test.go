package payload

import (
	"bytes"
	stdgzip "compress/gzip"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/golang/snappy"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
)

func inflate(t testing.TB, encoding string, b []byte) []byte {
	t.Helper()
	var out []byte
	var err error
	switch encoding {
	case "gzip":
		var r io.Reader
		if r, err = gzip.NewReader(bytes.NewReader(b)); err == nil {
			out, err = io.ReadAll(r)
		}
	case "zstd":
		var d *zstd.Decoder
		if d, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1)); err == nil {
			out, err = d.DecodeAll(b, nil)
			d.Close()
		}
	case "snappy":
		out, err = snappy.Decode(nil, b)
	default:
		out = b
	}
	if err != nil {
		t.Errorf("%s: %v", encoding, err)
	}
	return out
}

// Pooled encoders have mixed payloads in other projects: each of many at once must come back as itself.
func TestCompressorsInParallel(t *testing.T) {
	for _, c := range []struct {
		typ   configcompression.Type
		level int
	}{{"", 0}, {"none", 0}, {"gzip", 0}, {"gzip", 9}, {"gzip", -1}, {"zstd", 0}, {"zstd", 11}, {"snappy", 0}} {
		t.Run(fmt.Sprintf("%s/%d", c.typ, c.level), func(t *testing.T) {
			var pool buffer.Pool
			k, err := NewCompressor(c.typ, c.level, &pool)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					for n := range 20 {
						want := bytes.Repeat(fmt.Appendf(nil, "goroutine %d says %d; ", g, n), n*n)
						p := k.Payload(pipeline.Batch{Request: want})
						body, _ := io.ReadAll(p.Reader())
						if !bytes.Equal(inflate(t, k.Encoding(), body), want) {
							t.Errorf("goroutine %d got something else back at %d", g, n)
						}
						p.Release()
					}
				})
			}
			wg.Wait()
		})
	}
	var pool buffer.Pool
	for _, typ := range []configcompression.Type{"lz4", "deflate", "zlib", "x-snappy-framed", "br"} {
		if _, err := NewCompressor(typ, 0, &pool); err == nil {
			t.Errorf("%s is taken and not done", typ)
		}
	}
}

// TestAsFewBytesAsTheCollector: at the defaults, a request is at most 1.02 times what the Collector's encoder makes of it.
func TestAsFewBytesAsTheCollector(t *testing.T) {
	gzipped := func(b []byte) int {
		var out bytes.Buffer
		w := stdgzip.NewWriter(&out)
		_, _ = w.Write(b)
		_ = w.Close()
		return out.Len()
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(-1)))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for name, batch := range map[string]pipeline.Batch{"logs": agents(60), "points": points(3000)} {
		for typ, theirs := range map[configcompression.Type]int{"gzip": gzipped(batch.Request), "zstd": len(z.EncodeAll(batch.Request, nil))} {
			var pool buffer.Pool
			k, err := NewCompressor(typ, 0, &pool)
			if err != nil {
				t.Fatal(err)
			}
			p := k.Payload(batch)
			if ours := p.Len(); float64(ours) > 1.02*float64(theirs) {
				t.Errorf("%s: %s makes %d bytes, the Collector's encoder %d", name, typ, ours, theirs)
			}
			p.Release()
		}
	}
}
