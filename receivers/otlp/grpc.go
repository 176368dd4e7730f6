package otlp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/config/configgrpc"
	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/otlp/grpcserver"
	"github.com/sluiceio/sluice/wire"
)

type grpcServer struct {
	cfg configgrpc.ServerConfig
	set pipeline.Settings
	in  *intake
	opt grpcserver.Options
	srv *grpcserver.Server
	ln  net.Listener
}

var exportServices = map[string]wire.Signal{
	"/opentelemetry.proto.collector.logs.v1.LogsService/Export":       wire.Logs,
	"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": wire.Metrics,
	"/opentelemetry.proto.collector.trace.v1.TraceService/Export":     wire.Traces,
}

func newGRPC(s pipeline.Settings, cfg *Config, in *intake) *grpcServer {
	g := &grpcServer{cfg: *cfg.Protocols.GRPC.Get(), set: s, in: in}
	g.opt = grpcserver.Options{
		Handlers: map[string]grpcserver.Handler{}, StatusOf: g.statusOf, Budget: s.Budget, Log: s.Log,
		NotHTTP2:    notHTTP2(cfg.HTTPEndpoint()),
		MaxMessage:  orDefault(g.cfg.MaxRecvMsgSizeMiB, defaultMaxMessageMiB) << 20,
		MaxStreams:  orDefault(int(g.cfg.MaxConcurrentStreams), defaultStreams),
		ReadBuffer:  min(max(orDefault(g.cfg.ReadBufferSize, defaultReadBuffer), minReadBuffer), maxReadBuffer),
		CallTimeout: cfg.RequestTimeout, Patience: cfg.patience, Keepalive: keepaliveOf(&g.cfg),
		Metadata: in.metadata,
	}
	for path, sig := range exportServices {
		g.opt.Handlers[path] = func(ctx context.Context, c grpcserver.Call) ([]byte, error) { return g.export(ctx, sig, c) }
	}
	return g
}

func orDefault(n, otherwise int) int {
	if n <= 0 {
		return otherwise
	}
	return n
}

func notHTTP2(httpEndpoint string) string {
	const here = "this port takes OTLP/gRPC (HTTP/2) only; "
	if httpEndpoint == "" {
		return here + "protocols::http of this receiver, which takes OTLP/HTTP, is not configured"
	}
	return here + "OTLP/HTTP is taken at " + httpEndpoint
}

func keepaliveOf(c *configgrpc.ServerConfig) grpcserver.Keepalive {
	k := grpcserver.Keepalive{Time: 2 * time.Hour, Timeout: 20 * time.Second, MinTime: 5 * time.Minute}
	if !c.Keepalive.HasValue() {
		return k
	}
	if p := c.Keepalive.Get().ServerParameters; p.HasValue() {
		p := p.Get()
		k.MaxConnectionIdle, k.MaxConnectionAge, k.MaxConnectionAgeGrace = p.MaxConnectionIdle, p.MaxConnectionAge, p.MaxConnectionAgeGrace
		if p.Time > 0 {
			k.Time = max(p.Time, time.Second)
		}
		if p.Timeout > 0 {
			k.Timeout = p.Timeout
		}
	}
	if p := c.Keepalive.Get().EnforcementPolicy; p.HasValue() {
		p := p.Get()
		k.PermitWithoutStream = p.PermitWithoutStream
		if p.MinTime > 0 {
			k.MinTime = p.MinTime
		}
	}
	return k
}

func (g *grpcServer) start(ctx context.Context) error {
	if g.cfg.TLS.HasValue() {
		t, err := g.cfg.TLS.Get().LoadTLSConfig(ctx)
		if err != nil {
			return err
		}
		t.NextProtos = []string{http2.NextProtoTLS}
		g.opt.TLS = t
	}
	ln, err := g.set.Listen(ctx, string(g.cfg.NetAddr.Transport), g.cfg.NetAddr.Endpoint)
	if err != nil {
		return err
	}
	g.set.Log.Info("OTLP/gRPC listening", "address", ln.Addr().String())
	g.srv, g.ln = grpcserver.New(g.opt), ln
	go func() {
		if err := g.srv.Serve(ln); err != nil {
			g.set.Log.Error("OTLP/gRPC stopped serving", "error", err)
		}
	}()
	return nil
}

func (g *grpcServer) stop(ctx context.Context) {
	if g.srv == nil {
		return
	}
	g.srv.Stop(ctx)
	g.ln.Close() // Serve may not have run yet, so the server does not know the listener
}

func (g *grpcServer) export(ctx context.Context, sig wire.Signal, c grpcserver.Call) ([]byte, error) {
	var k requestKey
	id, named := parseID(c.RequestID())
	if named {
		k = g.in.seen.Load().key(id, sig, c.Received())
	}
	from := pipeline.Origin{Peer: c.Peer(), Relayed: named}
	if len(g.in.metadata) > 0 {
		var fits bool
		if from.Metadata, fits = g.in.metadata.Of(c.Metadata); !fits {
			return nil, errInvalid{errors.New(tooMuchMetadata)}
		}
	}
	rejected, err := g.in.run(ctx, k, func(ctx context.Context) (int, error) {
		message, err := c.Message()
		if err != nil {
			return 0, err
		}
		return g.in.take(ctx, sig, message, from)
	})
	text, is := partialOf(err)
	if err != nil && !is {
		return nil, err
	}
	return appendPartial(nil, rejected, text), nil
}

// A refusal always has RetryInfo: OTLP clients do not retry RESOURCE_EXHAUSTED without it.
func (g *grpcServer) statusOf(err error) *grpcserver.Status {
	var none errNoPipeline
	ref, again := pipeline.AsRefused(err)
	switch {
	case errors.As(err, &none):
		return &grpcserver.Status{Code: codes.Unimplemented, Message: none.Error()}
	case errors.Is(err, inflate.ErrTooLarge):
		return &grpcserver.Status{Code: codes.ResourceExhausted, Message: err.Error() + "; send smaller batches, or raise max_recv_msg_size_mib"}
	case errors.Is(err, grpcserver.ErrCorrupt):
		err = g.in.notOTLP(err)
		fallthrough
	case !again, errors.As(err, new(errInvalid)):
		return &grpcserver.Status{Code: codes.InvalidArgument, Message: err.Error()}
	}
	st := &grpcserver.Status{Code: codes.Unavailable, Message: grpcserver.Shorten(ref.Error())}
	if ref.Overload {
		st.Code = codes.ResourceExhausted
	}
	st.Details = retryInfo(st, max(ref.After, minRetry))
	return st
}

// retryInfo encodes a google.rpc.Status with a google.rpc.RetryInfo
// (https://github.com/googleapis/googleapis/blob/master/google/rpc).
func retryInfo(st *grpcserver.Status, after time.Duration) []byte {
	dst := wire.AppendUint(nil, 1, uint64(st.Code))
	dst = wire.AppendString(dst, 2, st.Message)
	dst, details := wire.BeginMessage(dst, 3)
	dst = wire.AppendString(dst, 1, "type.googleapis.com/google.rpc.RetryInfo")
	dst, info := wire.BeginMessage(dst, 2)
	dst, delay := wire.BeginMessage(dst, 1)
	dst = wire.AppendUint(dst, 1, uint64(after/time.Second))
	dst = wire.AppendUint(dst, 2, uint64(after%time.Second))
	return wire.EndMessage(wire.EndMessage(wire.EndMessage(dst, delay), info), details)
}

// minRetry is the delay when the sink gives none.
const minRetry = 100 * time.Millisecond

func rpcCode(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType:
		return codes.Unimplemented
	}
	return codes.InvalidArgument
}
