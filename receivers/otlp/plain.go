package otlp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/internal/listen/http1"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// plain handles requests through package http1, like httpServer.ServeHTTP. It leaves requests with an unacceptable header to
// net/http.
type plain struct {
	h     *httpServer
	paths map[string]wire.Signal
	free  sync.Pool // of *exchange
}

func newPlain(h *httpServer) *plain {
	return &plain{h: h, paths: map[string]wire.Signal{
		h.cfg.TracesURLPath: wire.Traces, h.cfg.MetricsURLPath: wire.Metrics, h.cfg.LogsURLPath: wire.Logs,
	}}
}

type exchange struct {
	request
	p        *plain
	encoding string
	id       [16]byte
	named    bool // by id
}

// Take accepts POSTs to a signal's path with known type and encoding.
func (p *plain) Take(h http1.Head) http1.Exchange {
	sig, known := p.paths[string(h.Path)]
	if !known || int64(h.Length) > p.h.cfg.MaxRequestBodySize {
		return nil
	}
	encoding, known := encodingOf(h.Encoding)
	if !known {
		return nil
	}
	kind := typeProtobuf
	if string(h.Type) != typeProtobuf {
		kind = contentType(string(h.Type))
	}
	if kind == "" {
		return nil
	}
	id, named := parseID(h.RequestID)
	from := pipeline.Origin{Peer: h.Peer, Relayed: named}
	if p.h.asks() {
		head, fits := h, false // h itself stays off the heap
		if from.Metadata, fits = p.h.in.metadata.Of(head.Values); !fits {
			return nil
		}
	}
	lease, err := p.h.in.budget.Reserve(0)
	if err != nil {
		return nil
	}
	x, ok := p.free.Get().(*exchange)
	if !ok {
		x = &exchange{p: p}
	}
	x.request, x.encoding = request{sig: sig, kind: kind, from: from, lease: lease}, encoding
	x.id, x.named = id, named
	return x
}

func encodingOf(b []byte) (name string, known bool) {
	if len(b) == 0 {
		return "", true
	}
	switch name = strings.ToLower(string(b)); name {
	case "identity", "gzip", "zstd", "deflate", "zlib", "snappy", "lz4", inflate.SnappyFramed:
		return name, true
	}
	return "", false
}

func (x *exchange) Grow(n int) error { return x.lease.Resize(n) }

func (x *exchange) Patience() time.Duration { return x.p.h.bodies.patience }

// End releases the reservation and the exchange.
func (x *exchange) End() {
	x.lease.Release()
	x.p.free.Put(x)
}

func (x *exchange) Serve(ctx context.Context, body []byte, err error) http1.Reply {
	var k requestKey
	if x.named && err == nil {
		k = x.p.h.in.seen.Load().key(x.id, x.sig, body)
	}
	items, err := x.p.h.in.run(ctx, k, func(ctx context.Context) (int, error) { return x.receive(ctx, body, err) })
	return answer(x.kind, items, err)
}

func (x *exchange) receive(ctx context.Context, body []byte, err error) (int, error) {
	if err == nil && !isCompressed(x.encoding) {
		return x.p.h.deliver(ctx, &x.request, body)
	}
	if isRefusal(err) {
		return 0, err
	}
	buf := buffers.Get().(*[]byte)
	var plain []byte
	if err == nil {
		plain, err = inflate.Bytes(*buf, body, x.encoding, x.p.h.limits(&x.request))
	} else { // report the error that streaming would have found
		plain, err = inflate.Read(*buf, io.MultiReader(bytes.NewReader(body), broken{err}), x.encoding, 0, x.p.h.limits(&x.request))
	}
	defer release(buf, plain)
	if err != nil {
		return 0, x.p.h.unreadable(x.encoding, err)
	}
	return x.p.h.deliver(ctx, &x.request, plain)
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) {
	switch {
	case errors.Is(b.err, http1.ErrSlow), errors.Is(b.err, http1.ErrStopping):
		return 0, pipeline.Refuse(time.Second, b.err)
	}
	return 0, b.err
}
