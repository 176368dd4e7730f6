package grpcserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/sluiceio/sluice/internal/poison"
	"github.com/sluiceio/sluice/pipeline"
)

// rawCodec moves *[]byte.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }
func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}
func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// compressor makes an encoding for the client.
type compressor struct {
	name string
	to   func(io.Writer) io.WriteCloser
	from func(io.Reader) io.Reader
}

func (c compressor) Name() string                                 { return c.name }
func (c compressor) Compress(w io.Writer) (io.WriteCloser, error) { return c.to(w), nil }
func (c compressor) Decompress(r io.Reader) (io.Reader, error)    { return c.from(r), nil }

var registered = sync.OnceFunc(func() {
	encoding.RegisterCompressor(compressor{"zstd", func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w)
		return z
	}, nil})
	encoding.RegisterCompressor(compressor{"snappy", func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) }, nil})
	encoding.RegisterCompressor(compressor{"br", func(w io.Writer) io.WriteCloser { return nopCloser{w} }, nil})
})

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

func dialGRPC(t testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	registered()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(64<<20))}, opts...)
	c, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func text(n int) []byte { return bytes.Repeat([]byte("some text, "), n/11+1)[:n] }

// TestGRPCGo: the client that most senders use.
func TestGRPCGo(t *testing.T) {
	cert := httptest.NewUnstartedServer(nil)
	cert.EnableHTTP2 = true
	cert.StartTLS()
	defer cert.Close()
	o := options()
	o.MaxMessage = 32 << 20
	secure := o
	secure.TLS = &tls.Config{Certificates: cert.TLS.Certificates, NextProtos: []string{"h2"}}
	secure.Budget = pipeline.NewBudget(1 << 30)
	for name, o := range map[string]Options{"plain": o, "TLS": secure} {
		_, addr := start(t, o)
		var opts []grpc.DialOption
		if o.TLS != nil {
			opts = append(opts, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
		}
		conn := dialGRPC(t, addr, opts...)
		for _, enc := range []string{"", "gzip", "zstd", "snappy"} {
			for _, n := range []int{0, 1, 4 << 10, 16<<10 - 5, 16 << 10, 100_000, 1<<20 - 5, 1 << 20, 20 << 20} {
				if n > 1<<20 && (poison.Enabled || enc == "gzip") {
					n /= 10 // the race detector is slow
				}
				t.Run(fmt.Sprint(name, " ", enc, " ", n), func(t *testing.T) {
					in, out := text(n), []byte(nil)
					if err := conn.Invoke(t.Context(), echo, &in, &out, grpc.UseCompressor(enc)); err != nil || !bytes.Equal(in, out) {
						t.Errorf("%d of %d bytes came back, %v", len(out), n, err)
					}
				})
			}
		}
	}
}

// TestSmallWindows: 20 MB to and fro through windows of 64 KiB, beside small calls.
func TestSmallWindows(t *testing.T) {
	o := options()
	o.MaxMessage = 32 << 20
	_, addr := start(t, o)
	conn := dialGRPC(t, addr, grpc.WithStaticStreamWindowSize(1<<16), grpc.WithStaticConnWindowSize(1<<16))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			n := 20 << 20
			if poison.Enabled {
				n = 2 << 20
			}
			in, out := text(n), []byte(nil)
			if err := conn.Invoke(t.Context(), echo, &in, &out); err != nil || !bytes.Equal(in, out) {
				t.Errorf("%d bytes came back, %v", len(out), err)
			}
		})
	}
	for range 100 {
		in, out := text(100), []byte(nil)
		if err := conn.Invoke(t.Context(), echo, &in, &out); err != nil || !bytes.Equal(in, out) {
			t.Errorf("%d bytes came back, %v", len(out), err)
		}
	}
	wg.Wait()
}

// TestManyAtOnce: distinct payloads over a few connections; each gets its own back.
func TestManyAtOnce(t *testing.T) {
	_, addr := start(t, options())
	var wg sync.WaitGroup
	for c := range 4 {
		conn := dialGRPC(t, addr)
		for i := range 40 {
			wg.Go(func() {
				for k := range 4 {
					in := make([]byte, (i*971+k*7919)%30_000)
					rand.Read(in)
					var out []byte
					enc := []string{"", "gzip", "zstd", "snappy"}[(i+k+c)%4]
					if err := conn.Invoke(t.Context(), echo, &in, &out, grpc.UseCompressor(enc)); err != nil || !bytes.Equal(in, out) {
						t.Errorf("%d of %d bytes came back, %v", len(out), len(in), err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestGRPCGoErrors: what the client makes of our answers.
func TestGRPCGoErrors(t *testing.T) {
	o := options()
	long := strings.Repeat("ä", 2000)
	o.Handlers["/t.S/Long"] = func(context.Context, Call) ([]byte, error) { return nil, errors.New(long) }
	o.Handlers["/t.S/Wait"] = func(ctx context.Context, _ Call) ([]byte, error) {
		<-ctx.Done()
		return nil, &Status{Code: codes.DeadlineExceeded}
	}
	_, addr := start(t, o)
	conn := dialGRPC(t, addr)
	invoke := func(ctx context.Context, method string, n int, opts ...grpc.CallOption) *status.Status {
		in, out := text(n), []byte(nil)
		return status.Convert(conn.Invoke(ctx, method, &in, &out, opts...))
	}
	if st := invoke(t.Context(), "/t.S/Nothing", 10); st.Code() != codes.Unimplemented {
		t.Error(st)
	}
	if st := invoke(t.Context(), echo, 10, grpc.UseCompressor("br")); st.Code() != codes.Unimplemented {
		t.Error(st)
	}
	if st := invoke(t.Context(), echo, 5<<20); st.Code() != codes.ResourceExhausted {
		t.Error(st)
	}
	if st := invoke(t.Context(), "/t.S/Long", 10); st.Code() != codes.InvalidArgument || !strings.HasPrefix(long, strings.TrimSuffix(st.Message(), "…")) || len(st.Message()) < 1000 {
		t.Error(st)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if st := invoke(ctx, "/t.S/Wait", 10); st.Code() != codes.DeadlineExceeded {
		t.Error(st)
	}
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if st := invoke(ctx, "/t.S/Wait", 10); st.Code() != codes.Canceled {
		t.Error(st)
	}
	if st := invoke(t.Context(), echo, 10); st.Code() != codes.OK {
		t.Error(st)
	}
}

// TestAdmission: a message that finds no room is refused while it comes, and what came is not held.
func TestAdmission(t *testing.T) {
	o := options()
	o.Budget = pipeline.NewBudget(1 << 20)
	other, err := o.Budget.Reserve(100 << 10)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release()
	_, addr := start(t, o)
	defer other.Release()
	conn := dialGRPC(t, addr)
	for _, enc := range []string{"", "zstd", "gzip", "snappy"} {
		in, out := text(3<<20), []byte(nil)
		if err := conn.Invoke(t.Context(), echo, &in, &out, grpc.UseCompressor(enc)); status.Code(err) != codes.Unavailable {
			t.Errorf("%q: %v", enc, err)
		}
	}
	in, out := text(100<<10), []byte(nil)
	if err := conn.Invoke(t.Context(), echo, &in, &out); err != nil {
		t.Error(err)
	}
	if n := o.Budget.Used(); n != 300<<10 {
		t.Errorf("%d bytes are reserved", n)
	}
}

// TestStopDuringTraffic: clients notice nothing but refusals that they repeat by themselves.
func TestStopDuringTraffic(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	conn := dialGRPC(t, ln.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for ctx.Err() == nil {
				in, out := text(20_000), []byte(nil)
				if err := conn.Invoke(context.Background(), echo, &in, &out, grpc.WaitForReady(true)); err != nil || !bytes.Equal(in, out) {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 10 {
		s := New(options())
		inner := &shared{Listener: ln, closed: make(chan struct{})}
		go s.Serve(inner)
		time.Sleep(50 * time.Millisecond)
		begin := time.Now()
		s.Stop(t.Context())
		if d := time.Since(begin); d > 2*time.Second {
			t.Errorf("Stop took %s", d)
		}
	}
	s := New(options())
	go s.Serve(&shared{Listener: ln, closed: make(chan struct{})})
	time.Sleep(20 * time.Millisecond)
	cancel()
	wg.Wait()
	conn.Close()
	s.Stop(t.Context())
}

// shared is a listener that stays open when one server is done with it, as those of package listen.
type shared struct {
	net.Listener
	closed chan struct{}
	once   sync.Once
}

func (l *shared) Accept() (net.Conn, error) {
	for {
		l.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(5 * time.Millisecond))
		select {
		case <-l.closed:
			return nil, net.ErrClosed
		default:
		}
		c, err := l.Listener.Accept()
		if err == nil {
			return c, nil
		}
	}
}

func (l *shared) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// TestKeepaliveOfGRPCGo: its pings and ours.
func TestKeepaliveOfGRPCGo(t *testing.T) {
	o := options()
	o.Keepalive = Keepalive{Time: 50 * time.Millisecond, Timeout: 5 * time.Second, MinTime: time.Second, PermitWithoutStream: true}
	s, addr := start(t, o)
	conn := dialGRPC(t, addr, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, PermitWithoutStream: true}))
	in, out := text(10), []byte(nil)
	for range 5 {
		if err := conn.Invoke(t.Context(), echo, &in, &out); err != nil {
			t.Fatal(err)
		}
		time.Sleep(120 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) != 1 {
		t.Errorf("%d connections", len(s.conns))
	}
}

// TestXNet: the HTTP/2 client of golang.org/x/net.
func TestXNet(t *testing.T) {
	_, addr := start(t, options())
	tr := &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, _ string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	defer tr.CloseIdleConnections()
	for _, n := range []int{0, 10, 3 << 20} {
		m := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(n)), text(n)...)
		req, _ := http.NewRequest("POST", "http://x"+echo, bytes.NewReader(m))
		req.Header.Set("Content-Type", "application/grpc")
		req.Header.Set("TE", "trailers")
		res, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !bytes.Equal(got, m) || res.StatusCode != 200 || res.Trailer.Get("grpc-status") != "0" || res.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("%d bytes: %s, %d bytes, %v, %v", n, res.Status, len(got), res.Trailer, err)
		}
	}
}

// TestCurl: a client that has nothing to do with Go.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("no curl here")
	}
	_, addr := start(t, options())
	run := func(in []byte, args ...string) string {
		cmd := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "10", "--data-binary", "@-"}, args...)...)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return string(out)
	}
	m := message("hello")
	if out := run(m, "--http2-prior-knowledge", "-H", "content-type: application/grpc", "http://"+addr+echo); out != string(m) {
		t.Errorf("got %q", out)
	}
	for _, version := range []string{"--http1.1", "--http2", "--http1.0"} {
		if out := run(m, version, "-w", " %{http_code}", "http://"+addr+"/v1/logs"); out != "wrong port\n 400" {
			t.Errorf("%s: got %q", version, out)
		}
	}
}

// TestOtherProtocols: what else may knock is answered or closed, and soon.
func TestOtherProtocols(t *testing.T) {
	_, addr := start(t, options())
	for in, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n":              "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: 11\r\n\r\nwrong port\n",
		"\x16\x03\x01\x02\x00\x01":            "",
		"PRI * HTTP/2.0\r\n\r\nSM\rX\n\r\n":   "",
		"hello hello hello hello hello hello": "",
	} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(5 * time.Second))
		io.WriteString(nc, in)
		nc.(*net.TCPConn).CloseWrite()
		got, err := io.ReadAll(nc)
		if string(got) != want || err != nil && want != "" {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
		nc.Close()
	}
}
