package otlp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/collector/config/configgrpc"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// grpcServer is the OTLP/gRPC listener. Messages reach it as the frames they came in: Export is registered as a
// stream of one message, so that the reservation comes before the message, and the codec decodes nothing.
type grpcServer struct {
	cfg configgrpc.ServerConfig
	set pipeline.Settings
	in  *intake
	srv *grpc.Server
	ln  net.Listener

	readTimeout time.Duration
}

func newGRPC(s pipeline.Settings, cfg *Config, in *intake) *grpcServer {
	g := &grpcServer{cfg: *cfg.Protocols.GRPC.Get(), set: s, in: in, readTimeout: cfg.grpcReadTimeout}
	if g.cfg.MaxRecvMsgSizeMiB <= 0 {
		g.cfg.MaxRecvMsgSizeMiB = defaultMaxMessageMiB // grpc-go takes that much; it is what has to be reserved
	}
	return g
}

// limitCall ends a call whose message does not come: it holds a reservation from its start. The stream's own end
// ends the timer.
func (g *grpcServer) limitCall(ctx context.Context, _ *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithTimeout(ctx, g.readTimeout+g.in.timeout)
	context.AfterFunc(ctx, cancel)
	return ctx, nil
}

// Flow-control windows. The defaults of 64 KiB make a sender of one large request wait for the reader every few
// frames; static windows also spare the bandwidth estimation's pings.
const (
	streamWindow     = 1 << 20
	connectionWindow = 4 << 20
)

// streamWorkers are goroutines that serve one call after the other. A call for which none is free gets a goroutine of
// its own, whose stack has to grow anew, and a worker is busy until the destination has answered.
const streamWorkers = 32

// start opens the listener and serves.
func (g *grpcServer) start(ctx context.Context) error {
	srv, err := g.cfg.ToServer(ctx, nil, telemetry(),
		configgrpc.WithGrpcServerOption(grpc.ForceServerCodecV2(rawCodec{})),
		configgrpc.WithGrpcServerOption(grpc.InTapHandle(g.limitCall)),
		configgrpc.WithGrpcServerOption(grpc.InitialWindowSize(streamWindow)),
		configgrpc.WithGrpcServerOption(grpc.InitialConnWindowSize(connectionWindow)),
		configgrpc.WithGrpcServerOption(grpc.NumStreamWorkers(streamWorkers)),
		configgrpc.WithGrpcServerOption(experimental.BufferPool(&framePool{})),
	)
	if err != nil {
		return err
	}
	ln, err := g.set.Listen(ctx, string(g.cfg.NetAddr.Transport), g.cfg.NetAddr.Endpoint)
	if err != nil {
		srv.Stop()
		return err
	}
	for _, s := range []struct {
		name   string
		signal wire.Signal
	}{
		{"opentelemetry.proto.collector.logs.v1.LogsService", wire.Logs},
		{"opentelemetry.proto.collector.metrics.v1.MetricsService", wire.Metrics},
		{"opentelemetry.proto.collector.trace.v1.TraceService", wire.Traces},
	} {
		srv.RegisterService(&grpc.ServiceDesc{
			ServiceName: s.name,
			HandlerType: (*any)(nil),
			Streams: []grpc.StreamDesc{{
				StreamName: "Export", ClientStreams: true, ServerStreams: true,
				Handler: func(_ any, stream grpc.ServerStream) error { return g.export(s.signal, stream) },
			}},
		}, nil)
	}
	g.set.Log.Info("OTLP/gRPC listening", "address", ln.Addr().String())
	g.srv, g.ln = srv, ln
	go func() {
		if err := srv.Serve(ln); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			g.set.Log.Error("OTLP/gRPC stopped serving", "error", err)
		}
	}()
	return nil
}

// stop lets calls that are inside finish until ctx ends, then cuts them off.
func (g *grpcServer) stop(ctx context.Context) {
	if g.srv == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		g.srv.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		g.srv.Stop()
		<-done
	}
	g.ln.Close() // Serve may not have run yet, and then the server does not know its listener
}

// export serves one Export call.
func (g *grpcServer) export(sig wire.Signal, stream grpc.ServerStream) error {
	lease, err := g.in.budget.Reserve(g.cfg.MaxRecvMsgSizeMiB << 20)
	if err != nil {
		return toStatus(err)
	}
	defer lease.Release()
	var frames mem.BufferSlice
	if err := stream.RecvMsg(&frames); err != nil {
		return err
	}
	n := frames.Len()
	if err := lease.Resize(n); err != nil {
		frames.Free()
		return toStatus(err)
	}
	buf := buffers.Get().(*[]byte)
	body := contiguous(*buf, frames, n)
	defer func() { release(buf, body) }()

	rejected, err := g.in.take(stream.Context(), sig, body, peerOf(stream.Context()))
	message, is := partialOf(err)
	if err != nil && !is {
		return toStatus(err)
	}
	response := mem.BufferSlice{mem.SliceBuffer(appendPartial(nil, rejected, message))}
	return stream.SendMsg(&response)
}

// contiguous copies the frames behind each other into dst's storage and gives them back.
func contiguous(dst []byte, frames mem.BufferSlice, n int) []byte {
	if cap(dst) < n {
		dst = make([]byte, n)
	}
	dst = dst[:n]
	frames.CopyTo(dst)
	frames.Free()
	return dst
}

func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// toStatus turns a sink's answer, or our own, into a gRPC status. A refusal always carries RetryInfo:
// RESOURCE_EXHAUSTED without it means "never" to an OTLP client.
func toStatus(err error) error {
	ref, again := pipeline.AsRefused(err)
	if !again {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	var invalid errInvalid
	var none errNoPipeline
	switch {
	case errors.As(err, &invalid):
		return status.Error(codes.InvalidArgument, invalid.Error())
	case errors.As(err, &none):
		return status.Error(codes.Unimplemented, none.Error())
	}
	code := codes.Unavailable
	if ref.Overload {
		code = codes.ResourceExhausted
	}
	st, detailErr := status.New(code, ref.Error()).WithDetails(&errdetails.RetryInfo{
		RetryDelay: durationpb.New(max(ref.After, minRetry)),
	})
	if detailErr != nil {
		return status.Error(code, ref.Error())
	}
	return st.Err()
}

// minRetry is the delay told when the sink named none.
const minRetry = 100 * time.Millisecond

// rpcCode is the google.rpc code in the body of an HTTP error.
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

// rawCodec moves messages as frames. It answers to the name that OTLP clients ask for.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return *v.(*mem.BufferSlice), nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	data.Ref()
	*v.(*mem.BufferSlice) = data
	return nil
}
