package otlp

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/config/configtls"
	"golang.org/x/net/http2"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// headerProtobuf is the Content-Type of most answers, made once.
var headerProtobuf = []string{typeProtobuf}

// httpServer is the OTLP/HTTP listener.
type httpServer struct {
	cfg HTTPConfig
	set pipeline.Settings
	in  *intake
	srv *listen.Serving

	routes map[string]http.HandlerFunc // by path
	bodies bodies
}

func newHTTP(s pipeline.Settings, cfg *Config, in *intake) *httpServer {
	h := &httpServer{cfg: *cfg.Protocols.HTTP.Get(), set: s, in: in}
	h.bodies.open, h.bodies.patience = map[*body]struct{}{}, cfg.patience
	if h.cfg.MaxRequestBodySize <= 0 {
		h.cfg.MaxRequestBodySize = defaultMaxBody // as in the Collector
	}
	return h
}

// httpTerms is what a client's connection was opened under, beside the timeouts: when a reload changes it, the
// connection is closed.
type httpTerms struct {
	tls        configoptional.Optional[configtls.ServerConfig]
	keepAlives bool
}

// start opens the listener and serves.
func (h *httpServer) start(ctx context.Context) error {
	h.routes = map[string]http.HandlerFunc{
		h.cfg.TracesURLPath: h.handler(wire.Traces), h.cfg.MetricsURLPath: h.handler(wire.Metrics), h.cfg.LogsURLPath: h.handler(wire.Logs),
	}

	cfg := h.cfg.ServerConfig
	// An empty list switches confighttp's decompression off: ours runs behind the reservation.
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
	if cfg.TLS.HasValue() {
		if spec.TLS, err = cfg.TLS.Get().LoadTLSConfig(ctx); err != nil {
			return err
		}
		spec.TLS.NextProtos = []string{http2.NextProtoTLS, "http/1.1"}
	}
	if h.srv, err = h.set.Serve(ctx, spec); err != nil {
		return err
	}
	h.set.Log.Info("OTLP/HTTP listening", "address", h.srv.Addr().String())
	return nil
}

// bare tells whether nothing of confighttp stands between a request and us but its instrumentation, which has nobody to
// tell: it took a tenth of the CPU of a small request.
func (h *httpServer) bare() bool {
	c := &h.cfg.ServerConfig
	return !c.Auth.HasValue() && !c.CORS.HasValue() && len(c.Middlewares) == 0 && c.ResponseHeaders == nil
}

// stop lets requests that are inside finish until ctx ends, then cuts them off. It returns behind the last one.
func (h *httpServer) stop(ctx context.Context) {
	if h.srv != nil {
		h.bodies.stop()
		h.srv.Stop(ctx)
	}
}

// ServeHTTP is a ServeMux of three paths.
func (h *httpServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if serve, ok := h.routes[r.URL.Path]; ok {
		serve(w, r)
		return
	}
	http.NotFound(w, r)
}

func (h *httpServer) handler(sig wire.Signal) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind := contentType(r)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			fail(w, kind, http.StatusMethodNotAllowed, "use POST")
			return
		}
		if kind == "" {
			fail(w, kind, http.StatusUnsupportedMediaType, "unknown Content-Type; use "+typeProtobuf+" or "+typeJSON)
			return
		}
		items, err := h.receive(w, r, sig)
		answer(w, kind, items, err)
	}
}

// receive admits, reads and hands on one request.
func (h *httpServer) receive(w http.ResponseWriter, r *http.Request, sig wire.Signal) (int, error) {
	kind := contentType(r)
	if r.ContentLength > h.cfg.MaxRequestBodySize {
		return 0, inflate.ErrTooLarge
	}
	lease, err := h.in.budget.Reserve(0) // inflate asks for more as bytes come: the length is only declared
	if err != nil {
		return 0, err
	}
	defer lease.Release()
	hint := int(r.ContentLength)
	encoding := strings.ToLower(r.Header.Get("Content-Encoding")) // RFC 9110, 8.4.1: case does not matter
	compressed := encoding != "" && encoding != "identity"
	if compressed {
		hint = 0 // the length is that of the compressed body
	}
	in := r.Body
	if r.ContentLength < 0 {
		in = http.MaxBytesReader(w, in, h.cfg.MaxRequestBodySize)
	}
	watched := h.bodies.read(w, in)
	buf := buffers.Get().(*[]byte)
	body, err := inflate.Read(*buf, watched, encoding, hint, inflate.Limits{Max: int(h.cfg.MaxRequestBodySize), Grow: lease.Resize})
	h.bodies.done(watched)
	if err != nil && compressed && isCorrupt(err) {
		err = h.in.notOTLP(err)
	}
	if err != nil || kind != typeJSON {
		defer release(buf, body)
	} else {
		text := body
		body, err = h.fromJSON(&lease, sig, text)
		release(buf, text) // the protobuf is a copy
	}
	if err != nil {
		return 0, err
	}
	if err := lease.Resize(len(body)); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.in.timeout)
	defer cancel()
	return h.in.take(ctx, sig, body, r.RemoteAddr)
}

// fromJSON transcodes text under a reservation of what that needs: several times the text, until it is done.
func (h *httpServer) fromJSON(lease *pipeline.Reservation, sig wire.Signal, text []byte) ([]byte, error) {
	found, err := scan(text)
	if err != nil {
		return nil, h.in.notOTLP(err)
	}
	if err := lease.Hold(found.need(text)); err != nil {
		return nil, err
	}
	proto, err := transcode(sig, text, found.end)
	if err != nil {
		return nil, h.in.notOTLP(err)
	}
	return proto, nil
}

// contentType is one of the two types, or empty.
func contentType(r *http.Request) string {
	t := r.Header.Get("Content-Type")
	if t != typeProtobuf && t != typeJSON {
		t, _, _ = mime.ParseMediaType(t)
	}
	if t == typeProtobuf || t == typeJSON {
		return t
	}
	return ""
}

// answer turns a sink's answer into a response.
func answer(w http.ResponseWriter, kind string, rejected int, err error) {
	if err == nil {
		succeed(w, kind, 0, "")
		return
	}
	if message, is := partialOf(err); is {
		succeed(w, kind, rejected, message)
		return
	}
	var invalid errInvalid
	var none errNoPipeline
	var tooBig *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &invalid):
		fail(w, kind, http.StatusBadRequest, invalid.Error())
	case errors.As(err, &none):
		fail(w, kind, http.StatusNotFound, none.Error())
	case errors.Is(err, inflate.ErrTooLarge), errors.As(err, &tooBig):
		fail(w, kind, http.StatusRequestEntityTooLarge, "the body exceeds max_request_body_size; send smaller batches")
	case errors.Is(err, inflate.ErrEncoding):
		w.Header().Set("Accept-Encoding", inflate.Encodings)
		fail(w, kind, http.StatusUnsupportedMediaType, err.Error())
	case isRefusal(err):
		refuse(w, kind, err)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		refuse(w, kind, pipeline.Refuse(time.Second, errors.New("the body did not come within read_timeout"))) // 408 is not repeated
	default:
		fail(w, kind, http.StatusBadRequest, err.Error())
	}
}

// isRefusal tells a sink's "not now" from an error in reading the body.
func isRefusal(err error) bool {
	var r *pipeline.Refused
	return errors.As(err, &r)
}

// isCorrupt tells what a decompressor says of a body from all else that ends the reading of one.
func isCorrupt(err error) bool {
	var tooBig *http.MaxBytesError
	var network net.Error
	return !isRefusal(err) && !errors.Is(err, inflate.ErrTooLarge) && !errors.Is(err, inflate.ErrEncoding) &&
		!errors.As(err, &tooBig) && !errors.As(err, &network)
}

func refuse(w http.ResponseWriter, kind string, err error) {
	ref, _ := pipeline.AsRefused(err)
	if ref.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(ref.After.Seconds()))))
	}
	code := http.StatusServiceUnavailable
	if ref.Overload {
		code = http.StatusTooManyRequests
	}
	fail(w, kind, code, ref.Error())
}

func succeed(w http.ResponseWriter, kind string, rejected int, message string) {
	if kind != typeJSON {
		w.Header()["Content-Type"] = headerProtobuf
		if rejected > 0 {
			w.Write(appendPartial(nil, rejected, message))
		}
		return
	}
	w.Header().Set("Content-Type", typeJSON)
	if rejected == 0 {
		w.Write([]byte("{}"))
		return
	}
	// int64 is a string in protobuf's JSON; the key differs by signal, so all three are given and clients, who
	// must ignore unknown keys, find theirs.
	n := strconv.Itoa(rejected)
	json.NewEncoder(w).Encode(map[string]any{"partialSuccess": map[string]string{
		"rejectedLogRecords": n, "rejectedDataPoints": n, "rejectedSpans": n, "errorMessage": message,
	}})
}

// fail answers with a google.rpc.Status, as OTLP asks.
func fail(w http.ResponseWriter, kind string, code int, message string) {
	if kind == typeJSON {
		w.Header().Set("Content-Type", typeJSON)
		w.WriteHeader(code)
		json.NewEncoder(w).Encode(map[string]any{"code": int(rpcCode(code)), "message": message})
		return
	}
	w.Header().Set("Content-Type", typeProtobuf)
	w.WriteHeader(code)
	body := wire.AppendUint(nil, 1, uint64(rpcCode(code)))
	w.Write(wire.AppendString(body, 2, message))
}
