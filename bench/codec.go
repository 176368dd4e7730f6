package main

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A codec compresses with the library and the level that the product uses, and nothing around it.
type codec struct {
	level    string
	compress func(dst, src []byte) []byte
}

var codecs = map[string]*codec{"zstd": zstdCodec(), "gzip": gzipCodec(8)}

func zstdCodec() *codec {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err)
	}
	return &codec{"zstd fastest", func(dst, src []byte) []byte { return w.EncodeAll(src, dst) }}
}

func gzipCodec(level int) *codec {
	w, err := gzip.NewWriterLevel(nil, level)
	if err != nil {
		panic(err)
	}
	return &codec{fmt.Sprint("gzip ", level), func(dst, src []byte) []byte {
		out := bytes.NewBuffer(dst)
		w.Reset(out)
		_, _ = w.Write(src) // a Buffer takes everything
		_ = w.Close()
		return out.Bytes()
	}}
}

func (c *codec) all(in [][]byte) [][]byte {
	var out [][]byte
	for _, b := range in {
		out = append(out, c.compress(nil, b))
	}
	return out
}

// rate returns the CPU in µs and the bytes of a log.
func (c *codec) rate(in [][]byte, runs int) (cpu series, wire float64) {
	var dst []byte
	logs := float64(len(in) * logsPerRequest)
	for range runs {
		begin, n := ownCPU(), 0
		for _, b := range in {
			dst = c.compress(dst[:0], b)
			n += len(dst)
		}
		cpu = append(cpu, float64((ownCPU()-begin).Microseconds())/logs)
		wire = float64(n) / logs
	}
	return cpu, wire
}
