package otlpgrpc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bytesCodec makes the server take and give messages as bytes.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}
func (bytesCodec) Name() string { return "proto" }

// serve runs a server whose every call is h's.
func serve(t testing.TB, h func(method string, s grpc.ServerStream) error, opts ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(append([]grpc.ServerOption{
		grpc.ForceServerCodecV2(bytesCodec{}), grpc.MaxRecvMsgSize(64 << 20),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
			method, _ := grpc.MethodFromServerStream(s)
			return h(method, s)
		}),
	}, opts...)...)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return l.Addr().String()
}

// start makes the exporter, stopped with the test.
func start(t testing.TB, change func(*Config)) pipeline.Sink {
	t.Helper()
	c := Default()
	c.Compression, c.TLS.Insecure = "none", true
	change(c)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "otlp_grpc")
	sink, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(pipeline.Starter).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 5*time.Second)
		defer cancel()
		if err := sink.(pipeline.Stopper).Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return sink
}

func once(c *Config) { c.Retry.Enabled = false }

func batch(body string) pipeline.Batch {
	return pipeline.Batch{Signal: pipeline.Logs, Request: []byte(body), Items: 10}
}

// recv takes the one message of a call.
// appendLog appends a request of one record.
func appendLog(r []byte, body string) []byte {
	r, res := wire.BeginMessage(r, wire.FieldRequestResource)
	r, scope := wire.BeginMessage(r, wire.FieldResourceXScope)
	r, rec := wire.BeginMessage(r, wire.FieldScopeXItem)
	r, value := wire.BeginMessage(r, wire.FieldLogBody)
	r = wire.AppendString(r, wire.FieldValueString, body)
	for _, mark := range []int{value, rec, scope, res} {
		r = wire.EndMessage(r, mark)
	}
	return r
}

func recv(s grpc.ServerStream) ([]byte, error) {
	var b []byte
	err := s.RecvMsg(&b)
	return b, err
}

func TestBytesArriveAsTheyAre(t *testing.T) {
	for _, typ := range []configcompression.Type{"", "none", "gzip", "zstd"} {
		t.Run("compression="+string(typ), func(t *testing.T) {
			var got []byte
			var method string
			var md metadata.MD
			addr := serve(t, func(m string, s grpc.ServerStream) (err error) {
				method = m
				md, _ = metadata.FromIncomingContext(s.Context())
				if got, err = recv(s); err != nil {
					return err
				}
				return s.SendMsg([]byte{})
			})
			sink := start(t, func(c *Config) {
				c.Endpoint, c.Compression = addr, typ
				c.Headers.Set("X-Api-Key", "k")
			})
			for _, size := range []int{0, 1, 500, 70_000, 1_000_000} {
				for _, sig := range pipeline.Signals {
					want := strings.Repeat("telemetry ", size/10)
					b := batch(want)
					b.Signal = sig
					if err := sink.Consume(t.Context(), b); err != nil {
						t.Fatal(err)
					}
					service := map[pipeline.Signal]string{
						pipeline.Metrics: "metrics.v1.MetricsService", pipeline.Logs: "logs.v1.LogsService", pipeline.Traces: "trace.v1.TraceService",
					}[sig]
					if string(got) != want || method != "/opentelemetry.proto.collector."+service+"/Export" {
						t.Fatalf("%s: %d of %d bytes at %s", sig, len(got), len(want), method)
					}
				}
			}
			if md.Get("x-api-key")[0] != "k" || !strings.HasPrefix(md.Get("user-agent")[0], "sluice/") || md.Get("content-type")[0] != "application/grpc+proto" {
				t.Errorf("metadata %v", md)
			}
		})
	}
}

// Every code means what the table in delivery/README.md says, with and without RetryInfo.
func TestEveryCode(t *testing.T) {
	var given *status.Status
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		if _, err := recv(s); err != nil {
			return err
		}
		if given.Code() == codes.OK {
			return s.SendMsg([]byte{})
		}
		return given.Err()
	})
	sink := start(t, func(c *Config) { c.Endpoint = addr; once(c) })
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		for _, after := range []time.Duration{-1, 0, 7 * time.Second, 1e6 * time.Hour} {
			given = status.New(code, "because")
			if after >= 0 && code != codes.OK {
				given, _ = given.WithDetails(&errdetails.ErrorInfo{}, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
			}
			err := sink.Consume(t.Context(), batch("x"))
			verdict, reason := answer.JudgeGRPC(code, "")
			rej, rejected := pipeline.AsRejected(err)
			ref, refused := pipeline.AsRefused(err)
			if (err == nil) != (verdict == answer.Taken) || rejected != (verdict == answer.Rejected) {
				t.Fatalf("%s: %v, want %s", code, err, verdict)
			}
			if rejected && (rej.Reason != reason && rej.Reason != pipeline.DropUndivided || rej.Count != 0 && rej.Count != 10) {
				t.Fatalf("%s: %+v", code, rej)
			}
			if refused {
				low := min(max(after, 0), 5*time.Minute)
				if verdict != answer.Retry {
					low = 0
				}
				if ref.After < low || ref.After > low+time.Second || ref.Overload != (code == codes.ResourceExhausted) {
					t.Fatalf("%s asking for %s: %+v", code, after, ref)
				}
			}
		}
	}
}

func TestTooLargeForTheServer(t *testing.T) {
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		if _, err := recv(s); err != nil {
			return err
		}
		return s.SendMsg([]byte{})
	}, grpc.MaxRecvMsgSize(1000))
	sink := start(t, func(c *Config) { c.Endpoint = addr })
	// 100 records of 30 bytes are too large together, and one of 2,000 is alone.
	var r []byte
	for i := range 100 {
		r = appendLog(r, strings.Repeat("x", 30))
		if i == 50 {
			r = appendLog(r, strings.Repeat("y", 2000))
		}
	}
	a := pipeline.Read(sink.Consume(t.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: r, Items: 101}), 101)
	if len(a.Rejected) != 1 || a.Rejected[0].Reason != pipeline.DropTooLarge || !slices.Equal(a.Rejected[0].Ranges, pipeline.Ranges{{From: 51, To: 52}}) {
		t.Errorf("%+v", a)
	}
}

func TestPartialSuccess(t *testing.T) {
	resp := plogotlp.NewExportResponse()
	resp.PartialSuccess().SetRejectedLogRecords(3)
	resp.PartialSuccess().SetErrorMessage("too old")
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		if _, err := recv(s); err != nil {
			return err
		}
		b, _ := resp.MarshalProto()
		return s.SendMsg(b)
	})
	// Compressed, too: a server answers in the encoding of the request.
	for _, typ := range []configcompression.Type{"none", "gzip", "zstd"} {
		sink := start(t, func(c *Config) { c.Endpoint, c.Compression = addr, typ })
		err := sink.Consume(t.Context(), batch("x"))
		rej, ok := pipeline.AsRejected(err)
		if !ok || rej.Count != 3 || !strings.Contains(err.Error(), "too old") {
			t.Errorf("%s: %v", typ, err)
		}
	}
}

func TestRecoveryLosesNothing(t *testing.T) {
	var mu sync.Mutex
	calls, got := 0, map[string]bool{}
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		b, err := recv(s)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls <= 40 {
			return status.Error(codes.Unavailable, "restarting")
		}
		got[string(b)] = true
		return s.SendMsg([]byte{})
	})
	sink := start(t, func(c *Config) {
		c.Endpoint, c.Retry.InitialInterval, c.Retry.MaxInterval = addr, time.Millisecond, 10*time.Millisecond
	})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if err := sink.Consume(t.Context(), batch(fmt.Sprint("body ", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 50 {
		t.Errorf("%d of 50 arrived", len(got))
	}
}

// The destination need not exist when we start.
func TestTheServerComesLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	sink := start(t, func(c *Config) { c.Endpoint = addr; once(c) })
	if _, ok := pipeline.AsRefused(sink.Consume(t.Context(), batch("x"))); !ok {
		t.Error("a dead destination is not refused")
	}
}

func TestAServerThatNeverAnswers(t *testing.T) {
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		<-s.Context().Done()
		return nil
	})
	sink := start(t, func(c *Config) { c.Endpoint, c.Timeout = addr, 50*time.Millisecond; once(c) })
	err := sink.Consume(t.Context(), batch("x"))
	if _, ok := pipeline.AsRefused(err); !ok || !strings.Contains(err.Error(), `"timeout"`) {
		t.Errorf("%v", err)
	}
}

func TestSecretsAreNotInErrors(t *testing.T) {
	const secret = "s3cr3t-t0ken-value"
	addr := serve(t, func(_ string, s grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		return status.Errorf(codes.Unauthenticated, "not with %v", md)
	})
	sink := start(t, func(c *Config) { c.Endpoint = addr; c.Headers.Set("authorization", "Bearer "+secret); once(c) })
	err := sink.Consume(t.Context(), batch("x"))
	if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "Unauthenticated") {
		t.Errorf("%v", err)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Default()
	c.Endpoint, c.Compression, c.Timeout, c.TLS.CertFile = "localhost", "snappy", -1, "cert.pem"
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{"endpoint", "compression", "timeout", "tls"} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
	if err := Default().Validate(); err == nil || !strings.Contains(err.Error(), `"endpoint"`) {
		t.Errorf("without an endpoint: %v", err)
	}
	for _, endpoint := range []string{"localhost:4317", "https://host:4317", "dns:///host:4317", "unix:///run/otlp.sock"} {
		c := Default()
		c.Endpoint = endpoint
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
}

// BenchmarkConsume sends requests of 350 KB to a server in the same process.
func BenchmarkConsume(b *testing.B) {
	request := bytes.Repeat([]byte("0123456789abcdef"), 350_000/16)
	for _, typ := range []configcompression.Type{"none", "zstd"} {
		b.Run(string(typ), func(b *testing.B) {
			addr := serve(b, func(_ string, s grpc.ServerStream) error {
				if _, err := recv(s); err != nil {
					return err
				}
				return s.SendMsg([]byte{})
			})
			sink := start(b, func(c *Config) { c.Endpoint, c.Compression = addr, typ })
			b.SetBytes(int64(len(request)))
			b.ReportAllocs()
			for b.Loop() {
				if err := sink.Consume(b.Context(), pipeline.Batch{Signal: pipeline.Logs, Request: request, Items: 1000}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAGraphThatIsOnlyCheckedLeavesNothing: a reload makes every component once more, to see whether it can.
func TestAGraphThatIsOnlyCheckedLeavesNothing(t *testing.T) {
	c := Default()
	c.Endpoint, c.TLS.Insecure = "127.0.0.1:1", true
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "otlp_grpc")
	if _, err := New(s, c); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t)
}
