package grpcserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const echo = "/test.Service/Echo"

// options are those of a server whose one method answers with its message.
func options() Options {
	return Options{
		Handlers: map[string]Handler{echo: func(_ context.Context, c Call) ([]byte, error) {
			message, err := c.Message()
			return bytes.Clone(message), err
		}},
		StatusOf: func(err error) *Status {
			if isRefusal(err) {
				return &Status{Code: codes.Unavailable, Message: err.Error(), Details: []byte("details")}
			}
			return &Status{Code: codes.InvalidArgument, Message: err.Error()}
		},
		Budget: pipeline.NewBudget(1 << 30), Log: slog.New(slog.DiscardHandler), NotHTTP2: "wrong port",
		MaxMessage: 4 << 20, MaxStreams: 250, ReadBuffer: 32 << 10, CallTimeout: 8 * time.Second, Patience: 30 * time.Second,
		Keepalive: Keepalive{Time: 2 * time.Hour, Timeout: 20 * time.Second, MinTime: 5 * time.Minute},
	}
}

// start serves on a port of the kernel's choice until the test ends.
func start(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	done := make(chan error)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.Stop(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := o.Budget.Used(); n != 0 {
			t.Errorf("%d bytes are reserved after Stop", n)
		}
	})
	return s, ln.Addr().String()
}

// client speaks HTTP/2 frame by frame, and notes what comes as lines of text.
type client struct {
	t     testing.TB
	nc    net.Conn
	fr    *http2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer

	mu    sync.Mutex
	lines []string
	data  map[uint32][]byte
	ended bool // the server closed
	news  chan struct{}
}

func dialRaw(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, nc)
}

// newClient greets and reads.
func newClient(t testing.TB, nc net.Conn) *client {
	c := &client{t: t, nc: nc, fr: http2.NewFramer(nc, nc), data: map[uint32][]byte{}, news: make(chan struct{}, 1)}
	c.fr.AllowIllegalWrites = true
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	c.enc = hpack.NewEncoder(&c.block)
	t.Cleanup(func() { nc.Close() })
	go c.read()
	nc.Write([]byte(http2.ClientPreface))
	c.fr.WriteSettings()
	return c
}

func (c *client) read() {
	for {
		f, err := c.fr.ReadFrame()
		c.mu.Lock()
		if err != nil {
			c.ended = true
		} else if line := c.describe(f); line != "" {
			c.lines = append(c.lines, line)
		}
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

// describe is empty for what every connection begins with.
func (c *client) describe(f http2.Frame) string {
	id := f.Header().StreamID
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		s := fmt.Sprintf("%d HEADERS", id)
		for _, h := range f.Fields {
			switch h.Name {
			case ":status", "grpc-status", "grpc-message":
				s += " " + h.Value
			}
		}
		if f.StreamEnded() {
			s += " END"
		}
		return s
	case *http2.DataFrame:
		c.data[id] = append(c.data[id], f.Data()...)
		return fmt.Sprintf("%d DATA %d", id, len(f.Data()))
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("%d RST %s", id, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %s %s", f.LastStreamID, f.ErrCode, f.DebugData())
	case *http2.PingFrame:
		if f.IsAck() {
			return fmt.Sprintf("PONG %s", bytes.TrimRight(f.Data[:], "\x00"))
		}
		return fmt.Sprintf("PING %s", bytes.TrimRight(f.Data[:], "\x00"))
	case *http2.WindowUpdateFrame:
		if id != 0 {
			return fmt.Sprintf("%d WINDOW %d", id, f.Increment)
		}
	}
	return ""
}

// open begins a call; more fields than gRPC's own come from fields, in pairs.
func (c *client) open(id uint32, end bool, fields ...string) {
	c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head(fields...), EndStream: end, EndHeaders: true})
}

func (c *client) head(fields ...string) []byte {
	c.block.Reset()
	all := []string{":method", "POST", ":scheme", "http", ":path", echo, ":authority", "x", "content-type", "application/grpc", "te", "trailers"}
	for i := 0; i < len(fields); i += 2 {
		if at := slices.Index(all, fields[i]); at >= 0 && at%2 == 0 {
			all[at+1] = fields[i+1]
			continue
		}
		all = append(all, fields[i], fields[i+1])
	}
	for i := 0; i < len(all); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1]})
	}
	return c.block.Bytes()
}

// message is a gRPC message of text.
func message(text string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text))), text...)
}

// call is a whole one.
func (c *client) call(id uint32, text string) {
	c.open(id, false)
	c.fr.WriteData(id, true, message(text))
}

// wants waits until all that came is the lines, in any order that keeps theirs, and fails when it is not within seconds.
func (c *client) wants(lines ...string) {
	c.t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		c.mu.Lock()
		missing := slices.Clone(lines)
		for _, l := range c.lines {
			if len(missing) > 0 && l == missing[0] {
				missing = missing[1:]
			}
		}
		got, ended := slices.Clone(c.lines), c.ended
		c.mu.Unlock()
		if len(missing) == 0 {
			return
		}
		if ended {
			c.t.Fatalf("got %q and the end; %q is missing", got, missing)
		}
		select {
		case <-c.news:
		case <-timeout:
			c.t.Fatalf("got %q; %q is missing", got, missing)
		}
	}
}

// wantsEnd waits until the server has closed.
func (c *client) wantsEnd() {
	c.t.Helper()
	timeout := time.After(5 * time.Second)
	for {
		c.mu.Lock()
		ended := c.ended
		c.mu.Unlock()
		if ended {
			return
		}
		select {
		case <-c.news:
		case <-timeout:
			c.t.Fatal("the connection is still open")
		}
	}
}

func (c *client) saw(line string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.lines, line)
}

var errTest = errors.New("100 % wrong\n")
