package otlp

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"golang.org/x/net/http2"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/internal/listen/http1"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

type httpServer struct {
	cfg HTTPConfig
	set pipeline.Settings
	in  *intake
	srv *listen.Serving

	routes map[string]http.HandlerFunc // by path
	life   context.Context             // ends when stop has waited long enough
	end    context.CancelFunc
	bodies bodies
}

func newHTTP(s pipeline.Settings, cfg *Config, in *intake) *httpServer {
	h := &httpServer{cfg: *cfg.Protocols.HTTP.Get(), set: s, in: in}
	h.life, h.end = context.WithCancel(context.Background())
	h.bodies.open, h.bodies.patience = map[*body]struct{}{}, cfg.patience
	if h.cfg.MaxRequestBodySize <= 0 {
		h.cfg.MaxRequestBodySize = defaultMaxBody // as in the Collector
	}
	return h
}

// httpTerms are settings of a client's connection, beside timeouts: if a reload changes them, the connection is closed.
type httpTerms struct {
	tls        configoptional.Optional[configtls.ServerConfig]
	keepAlives bool
}

func (h *httpServer) start(ctx context.Context) error {
	h.routes = map[string]http.HandlerFunc{
		h.cfg.TracesURLPath: h.handler(wire.Traces), h.cfg.MetricsURLPath: h.handler(wire.Metrics), h.cfg.LogsURLPath: h.handler(wire.Logs),
	}

	cfg := h.cfg.ServerConfig
	// An empty list disables confighttp's decompression: ours runs after the reservation.
	cfg.CompressionAlgorithms = []string{}
	srv, err := cfg.ToServer(ctx, nil, telemetry(), h)
	if err != nil {
		return err
	}
	if h.bare() {
		srv.Handler = h
	}
	spec := listen.HTTP{
		Network: string(cfg.NetAddr.Transport), Address: cfg.NetAddr.Endpoint,
		Server: srv, Terms: httpTerms{cfg.TLS, cfg.KeepAlivesEnabled},
	}
	if h.plain() {
		spec.Plain = newPlain(h)
	}
	if cfg.TLS.HasValue() {
		if spec.TLS, err = cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return err
		}
		spec.TLS.NextProtos = []string{http2.NextProtoTLS, "http/1.1"}
	}
	if h.srv, err = h.set.Serve(ctx, spec); err != nil {
		return err
	}
	if len(h.in.metadata) > 0 && !h.cfg.IncludeMetadata {
		h.set.Log.Warn("the configuration asks for headers of requests, which are not kept; set protocols::http::include_metadata: true", "headers", h.in.metadata)
	}
	h.set.Log.Info("OTLP/HTTP listening", "address", h.srv.Addr().String())
	return nil
}

// bare reports whether confighttp would add only instrumentation, which we do not use and which took 10 % of the CPU of a
// small request.
func (h *httpServer) bare() bool {
	c := &h.cfg.ServerConfig
	return !c.Auth.HasValue() && !c.CORS.HasValue() && len(c.Middlewares) == 0 && c.ResponseHeaders == nil
}

// plain reports whether package http1 can replace net/http.
func (h *httpServer) plain() bool {
	c := &h.cfg.ServerConfig
	return h.bare() && !c.TLS.HasValue() && c.KeepAlivesEnabled && c.ReadTimeout == 0
}

// stop lets running requests finish until ctx ends, then cuts them off.
func (h *httpServer) stop(ctx context.Context) {
	defer h.end()
	if h.srv != nil {
		defer context.AfterFunc(ctx, h.end)()
		h.bodies.stop()
		h.srv.Stop(ctx)
	}
}

func (h *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve, ok := h.routes[r.URL.Path]; ok {
		serve(w, r)
		return
	}
	http.NotFound(w, r)
}

func (h *httpServer) handler(sig wire.Signal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind := contentType(r.Header.Get("Content-Type"))
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			write(w, failure(kind, http.StatusMethodNotAllowed, "use POST"))
			return
		}
		if kind == "" {
			write(w, failure(kind, http.StatusUnsupportedMediaType, "unknown Content-Type; use "+typeProtobuf+" or "+typeJSON))
			return
		}
		_, relayed := parseID(r.Header.Get(requestHeader))
		from := pipeline.Origin{Peer: r.RemoteAddr, Relayed: relayed}
		if h.asks() {
			var fits bool
			if from.Metadata, fits = h.in.metadata.Of(r.Header.Values); !fits {
				write(w, failure(kind, http.StatusRequestHeaderFieldsTooLarge, tooMuchMetadata))
				return
			}
		}
		items, err := h.receive(w, r, &request{sig: sig, kind: kind, from: from})
		write(w, answer(kind, items, err))
	}
}

const tooMuchMetadata = "the headers that the configuration asks for are longer than 8 KiB"

// asks reports whether headers are to be kept.
func (h *httpServer) asks() bool { return h.cfg.IncludeMetadata && len(h.in.metadata) > 0 }

type request struct {
	sig   wire.Signal
	kind  string // typeProtobuf or typeJSON
	from  pipeline.Origin
	lease pipeline.Reservation
}

func (h *httpServer) receive(w http.ResponseWriter, r *http.Request, q *request) (items int, err error) {
	if r.ContentLength > h.cfg.MaxRequestBodySize {
		return 0, inflate.ErrTooLarge
	}
	q.lease, err = h.in.budget.Reserve(0) // Content-Length may be false: inflate reserves as bytes arrive
	if err != nil {
		return 0, err
	}
	defer q.lease.Release()
	hint := int(r.ContentLength)
	encoding := strings.ToLower(r.Header.Get("Content-Encoding")) // RFC 9110, 8.4.1: case-insensitive
	if isCompressed(encoding) {
		hint = 0 // the length is that of the compressed body
	}
	var in io.Reader = r.Body
	if r.ContentLength < 0 {
		in = http.MaxBytesReader(w, r.Body, h.cfg.MaxRequestBodySize)
	}
	var sum *summed
	id, named := parseID(r.Header.Get(requestHeader))
	if named {
		sum = &summed{Reader: in}
		sum.hash.SetSeed(h.in.seen.Load().seed)
		in = sum
	}
	watched := h.bodies.read(w, in)
	buf := buffers.Get().(*[]byte)
	body, err := inflate.Read(*buf, watched, encoding, hint, h.limits(q))
	h.bodies.done(watched)
	defer release(buf, body)
	if err != nil {
		return 0, h.unreadable(encoding, err)
	}
	var k requestKey
	if named {
		k = requestKey{id, sum.hash.Sum64(), uint32(sum.length), q.sig}
	}
	ctx, done := h.outlive(r)
	defer done()
	return h.in.run(ctx, k, func(ctx context.Context) (int, error) { return h.deliver(ctx, q, body) })
}

// outlive is the request's context, but a client that has closed its side of the connection may wait for the answer a moment.
func (h *httpServer) outlive(r *http.Request) (context.Context, func()) {
	if r.ProtoMajor > 1 { // whose streams say what is meant
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	left := context.AfterFunc(r.Context(), func() { time.AfterFunc(http1.HalfClosedTime, cancel) })
	ended := context.AfterFunc(h.life, cancel)
	return ctx, func() { left(); ended(); cancel() }
}

func isCompressed(encoding string) bool { return encoding != "" && encoding != "identity" }

func (h *httpServer) limits(q *request) inflate.Limits {
	return inflate.Limits{Max: int(h.cfg.MaxRequestBodySize), Grow: q.lease.Resize}
}

func (h *httpServer) unreadable(encoding string, err error) error {
	if isCompressed(encoding) && isCorrupt(err) {
		return h.in.notOTLP(err)
	}
	return err
}

func (h *httpServer) deliver(ctx context.Context, q *request, body []byte) (items int, err error) {
	if q.kind == typeJSON {
		if body, err = h.fromJSON(&q.lease, q.sig, body); err != nil {
			return 0, err
		}
	}
	if err := q.lease.Resize(len(body)); err != nil {
		return 0, err
	}
	return h.in.take(ctx, q.sig, body, q.from)
}

// A normal JSON request needs at most hollowFactor times its size for transcoding. If one of nearly only empty elements
// needs more than hollowLimits times the memory limit, it is always refused.
const (
	hollowFactor = 20
	hollowLimits = 4
)

// fromJSON transcodes text and reserves the memory for that, several times its size.
func (h *httpServer) fromJSON(lease *pipeline.Reservation, sig wire.Signal, text []byte) ([]byte, error) {
	found, err := scan(text)
	if err != nil {
		return nil, h.in.notOTLP(err)
	}
	need := found.need(text)
	if limit := h.in.budget.Limit(); need > hollowLimits*limit && need > hollowFactor*int64(len(text)) {
		return nil, h.in.notOTLP(fmt.Errorf("%d bytes of JSON with %d elements would need %d bytes, more than the limit of %d; send smaller requests; empty elements need more memory than full ones", len(text), found.elements, need, limit))
	}
	if err := lease.Hold(need); err != nil {
		return nil, err
	}
	proto, err := transcode(sig, text, found.end)
	if err != nil {
		return nil, h.in.notOTLP(err)
	}
	return proto, nil
}

// contentType returns one of the two types, or empty.
func contentType(t string) string {
	if t != typeProtobuf && t != typeJSON {
		t, _, _ = mime.ParseMediaType(t)
	}
	if t == typeProtobuf || t == typeJSON {
		return t
	}
	return ""
}
