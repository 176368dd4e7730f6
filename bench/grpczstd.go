package main

import (
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

type zstdCompressor struct{}

var zstdWriters = sync.Pool{New: func() any {
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return w
}}

func (zstdCompressor) Name() string { return "zstd" }

func (zstdCompressor) Compress(w io.Writer) (io.WriteCloser, error) {
	z := zstdWriters.Get().(*zstd.Encoder)
	z.Reset(w)
	return pooledWriter{z}, nil
}

type pooledWriter struct{ *zstd.Encoder }

func (p pooledWriter) Close() error {
	defer zstdWriters.Put(p.Encoder)
	return p.Encoder.Close()
}

func (zstdCompressor) Decompress(r io.Reader) (io.Reader, error) {
	d := zstdReaders.Get().(*zstd.Decoder)
	return &pooledReader{d}, d.Reset(r)
}

type pooledReader struct{ d *zstd.Decoder }

func (p *pooledReader) Read(b []byte) (int, error) {
	if p.d == nil {
		return 0, io.EOF
	}
	n, err := p.d.Read(b)
	if err == io.EOF {
		zstdReaders.Put(p.d)
		p.d = nil
	}
	return n, err
}
