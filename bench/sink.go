package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"
)

// sink is an OTLP endpoint that only counts.
type sink struct {
	http, grpc int // ports
	items      atomic.Int64
	requests   atomic.Int64
	bytes      atomic.Int64 // as received, compressed
	bad        atomic.Int64
	close      func()
}

func newSink() (*sink, error) {
	s := &sink{}
	h, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.http, s.grpc = h.Addr().(*net.TCPAddr).Port, g.Addr().(*net.TCPAddr).Port
	srv := &http.Server{Handler: http.HandlerFunc(s.serve)}
	rpc := grpc.NewServer(grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxRecvMsgSize(64<<20), grpc.StatsHandler(wireBytes{s}), grpc.InitialWindowSize(1<<20), grpc.InitialConnWindowSize(4<<20))
	for _, name := range []string{
		"opentelemetry.proto.collector.logs.v1.LogsService", "opentelemetry.proto.collector.metrics.v1.MetricsService",
		"opentelemetry.proto.collector.trace.v1.TraceService",
	} {
		rpc.RegisterService(&grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
			MethodName: "Export", Handler: s.export(name),
		}}}, nil)
	}
	go srv.Serve(h)
	go rpc.Serve(g)
	s.close = func() { srv.Close(); rpc.Stop() }
	return s, nil
}

var bodies = sync.Pool{New: func() any { return new([]byte) }}

func (s *sink) serve(w http.ResponseWriter, r *http.Request) {
	buf := bodies.Get().(*[]byte)
	defer bodies.Put(buf)
	counted := &countingReader{r: r.Body}
	body, err := inflate((*buf)[:0], counted, r.Header.Get("Content-Encoding"))
	*buf = body[:0]
	s.bytes.Add(counted.n)
	if err != nil {
		s.bad.Add(1)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := count(body, r.URL.Path == "/v1/metrics")
	if err != nil {
		s.bad.Add(1)
	}
	s.requests.Add(1)
	s.items.Add(int64(n))
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (s *sink) export(service string) func(any, context.Context, func(any) error, grpc.UnaryServerInterceptor) (any, error) {
	metrics := service == "opentelemetry.proto.collector.metrics.v1.MetricsService"
	return func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var body []byte
		if err := decode(&body); err != nil {
			return nil, err
		}
		n, err := count(body, metrics)
		if err != nil {
			s.bad.Add(1)
		}
		s.requests.Add(1)
		s.items.Add(int64(n))
		return &[]byte{}, nil
	}
}

// wireBytes counts the compressed bytes of gRPC messages.
type wireBytes struct{ *sink }

func (wireBytes) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (wireBytes) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (wireBytes) HandleConn(context.Context, stats.ConnStats)                       {}

func (w wireBytes) HandleRPC(_ context.Context, event stats.RPCStats) {
	if in, ok := event.(*stats.InPayload); ok {
		w.bytes.Add(int64(in.CompressedLength))
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

var zstdReaders = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return d
}}

func inflate(dst []byte, r io.Reader, encoding string) ([]byte, error) {
	switch encoding {
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return dst, err
		}
		r = z
	case "zstd":
		d := zstdReaders.Get().(*zstd.Decoder)
		defer zstdReaders.Put(d)
		if err := d.Reset(r); err != nil {
			return dst, err
		}
		r = d
	}
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// count counts items: records and spans are at depth three (resource, scope, item), a metric's points two deeper. It parses
// protobuf independently of the product.
func count(request []byte, metrics bool) (int, error) {
	n := 0
	err := each(request, 1, func(resource []byte) error {
		return each(resource, 2, func(scope []byte) error {
			return each(scope, 2, func(item []byte) error {
				if !metrics {
					n++
					return nil
				}
				for _, data := range []int{5, 7, 9, 10, 11} { // gauge, sum, histogram, exponential histogram, summary
					if err := each(item, data, func(d []byte) error {
						return each(d, 1, func([]byte) error { n++; return nil })
					}); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
	return n, err
}

var errWire = errors.New("not protobuf")

// each calls f for every length-delimited occurrence of a field.
func each(b []byte, field int, f func([]byte) error) error {
	for len(b) > 0 {
		tag, k := binary.Uvarint(b)
		if k <= 0 {
			return errWire
		}
		b = b[k:]
		size := uint64(0)
		switch tag & 7 {
		case 0:
			_, k := binary.Uvarint(b)
			if k <= 0 {
				return errWire
			}
			size = uint64(k)
		case 1:
			size = 8
		case 5:
			size = 4
		case 2:
			n, k := binary.Uvarint(b)
			if k <= 0 || n > uint64(len(b)-k) {
				return errWire
			}
			if int(tag>>3) == field {
				if err := f(b[k : k+int(n)]); err != nil {
					return err
				}
			}
			size = uint64(k) + n
		default:
			return errWire
		}
		if size > uint64(len(b)) {
			return errWire
		}
		b = b[size:]
	}
	return nil
}

type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// check fails unless exactly the sent items arrived.
func (s *sink) check(sent int64) error {
	if got := s.items.Load(); got != sent || s.bad.Load() > 0 {
		return fmt.Errorf("sent %d items, %d arrived, %d requests could not be read", sent, got, s.bad.Load())
	}
	return nil
}
