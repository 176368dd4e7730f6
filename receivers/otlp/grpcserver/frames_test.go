package grpcserver

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestFrames: what a peer sends, frame by frame, and what it hears.
func TestFrames(t *testing.T) {
	ok := func(id string, n string) []string {
		return []string{id + " HEADERS 200", id + " DATA " + n, id + " HEADERS 0 END"}
	}
	big := strings.Repeat("x", 3<<20)
	for _, c := range []struct {
		name string
		send func(c *client)
		want []string
		ends bool
	}{
		{"a call", func(c *client) { c.call(1, "hello") }, ok("1", "10"), false},
		{"an empty message", func(c *client) { c.call(1, "") }, ok("1", "5"), false},
		{"END_STREAM by an empty frame", func(c *client) {
			c.open(1, false)
			c.fr.WriteData(1, false, message("hello"))
			c.fr.WriteData(1, true, nil)
		}, ok("1", "10"), false},
		{"END_STREAM by a trailer", func(c *client) {
			c.open(1, false)
			c.fr.WriteData(1, false, message("hello"))
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndStream: true, EndHeaders: true})
		}, ok("1", "10"), false},
		{"byte by byte", func(c *client) {
			c.open(1, false)
			for _, b := range message("hello") {
				c.fr.WriteData(1, false, []byte{b})
			}
			c.fr.WriteData(1, true, nil)
		}, ok("1", "10"), false},
		{"padding and a priority", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head(), EndHeaders: true, PadLength: 200,
				Priority: http2.PriorityParam{StreamDep: 3, Weight: 1}})
			c.fr.WriteDataPadded(1, true, message("hello"), make([]byte, 255))
		}, ok("1", "10"), false},
		{"CONTINUATION", func(c *client) {
			b := c.head()
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: b[:3]})
			c.fr.WriteContinuation(1, false, b[3:20])
			c.fr.WriteContinuation(1, true, b[20:])
			c.fr.WriteData(1, true, message("hello"))
		}, ok("1", "10"), false},
		{"frames that are not known", func(c *client) {
			c.fr.WriteRawFrame(0xfa, 0xff, 77, make([]byte, 16000))
			c.fr.WritePriority(9, http2.PriorityParam{StreamDep: 1})
			c.fr.WriteRawFrame(0xfb, 0, 0, nil)
			c.call(1, "hello")
		}, ok("1", "10"), false},
		{"two calls, mixed", func(c *client) {
			c.open(1, false)
			c.open(3, false)
			c.fr.WriteData(3, false, message("hello")[:7])
			c.fr.WriteData(1, true, message("one"))
			c.fr.WriteData(3, true, message("hello")[7:])
		}, ok("3", "10"), false},
		{"a ping", func(c *client) { c.fr.WritePing(false, [8]byte{'h', 'i'}) }, []string{"PONG hi"}, false},
		{"an answer that waits for windows", func(c *client) {
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4})
			c.call(1, "hello")
			c.wants("1 HEADERS 200", "1 DATA 4")
			c.fr.WriteWindowUpdate(1, 1)
			c.wants("1 DATA 1")
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
		}, []string{"1 DATA 5", "1 HEADERS 0 END"}, false},
		{"a window below 0", func(c *client) {
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4})
			c.call(1, "hello")
			c.wants("1 HEADERS 200", "1 DATA 4")
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			c.fr.WriteWindowUpdate(1, 5)
			c.wants("1 DATA 1")
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
		}, []string{"1 DATA 5", "1 HEADERS 0 END"}, false},
		{"a stuck answer that is reset", func(c *client) {
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4})
			c.call(1, "hello")
			c.wants("1 DATA 4")
			c.fr.WriteRSTStream(1, http2.ErrCodeCancel)
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
			c.call(3, "hello")
		}, ok("3", "10"), false},
		{"a large message, and its echo in frames", func(c *client) {
			c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 8 << 20})
			c.fr.WriteWindowUpdate(0, 8<<20)
			c.open(1, false)
			m := message(big)
			for at := 0; at < len(m); at += 16 << 10 {
				if at == 1<<20 || at == 2<<20 {
					c.wants("1 WINDOW " + map[int]string{1 << 20: "540672", 2 << 20: "540672"}[at])
				}
				c.fr.WriteData(1, at+16<<10 >= len(m), m[at:min(at+16<<10, len(m))])
			}
		}, []string{"1 HEADERS 200", "1 DATA 16384", "1 DATA 5", "1 HEADERS 0 END"}, false},

		{"no such method", func(c *client) { c.open(1, false, ":path", "/x.Y/Z") }, []string{"1 HEADERS 200 12 unknown method /x.Y/Z END", "1 RST NO_ERROR"}, false},
		{"DATA for a call that was answered", func(c *client) {
			c.open(1, false, ":path", "/x.Y/Z")
			c.fr.WriteData(1, false, message(strings.Repeat("x", 9000)))
			c.fr.WriteData(1, true, nil)
			c.call(3, "hello")
		}, ok("3", "10"), false},
		{"an unknown encoding", func(c *client) { c.open(1, false, "grpc-encoding", "br") },
			[]string{`1 HEADERS 200 12 unknown grpc-encoding "br"; use one of identity,gzip,zstd,snappy END`}, false},
		{"another content type", func(c *client) { c.open(1, true, "content-type", "application/json") },
			[]string{`1 HEADERS 415 2 unknown content-type "application/json"; use application/grpc END`}, false},
		{"another codec", func(c *client) { c.open(1, true, "content-type", "application/grpc+json") },
			[]string{`1 HEADERS 415 2 unknown content-type "application/grpc+json"; use application/grpc END`}, false},
		{"a content type with parameters", func(c *client) {
			c.open(1, false, "content-type", "application/grpc+proto; charset=utf-8")
			c.fr.WriteData(1, true, message("hello"))
		}, ok("1", "10"), false},
		{"GET", func(c *client) { c.open(1, true, ":method", "GET") }, []string{"1 HEADERS 405 END"}, false},
		{"a bad timeout", func(c *client) { c.open(1, true, "grpc-timeout", "5x") }, []string{`1 HEADERS 200 3 cannot read grpc-timeout "5x" END`}, false},
		{"no path", func(c *client) { c.open(1, true, ":path", "") }, []string{"1 RST PROTOCOL_ERROR"}, false},
		{"an upper-case name", func(c *client) { c.open(1, true, "X-Tenant", "a") }, []string{"1 RST PROTOCOL_ERROR"}, false},
		{"a header of the connection", func(c *client) { c.open(1, true, "connection", "close") }, []string{"1 RST PROTOCOL_ERROR"}, false},
		{"a pseudo-header behind others", func(c *client) { c.open(1, true, ":status", "200") }, []string{"1 RST PROTOCOL_ERROR"}, false},
		{"a large header", func(c *client) { c.open(1, true, "a", strings.Repeat("~", 10<<10), "b", strings.Repeat("~", 10<<10)) }, nil, true},
		{"a header over the list limit", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head("a", strings.Repeat("a", 9<<10), "b", strings.Repeat("a", 9<<10)), EndHeaders: true, EndStream: true})
			c.call(3, "hello") // the table is still right
		}, append([]string{"1 HEADERS 431 END"}, ok("3", "10")...), false},

		{"no message", func(c *client) { c.open(1, true) }, []string{"1 HEADERS 200 3 the call has no message END"}, false},
		{"no message, later", func(c *client) { c.open(1, false); c.fr.WriteData(1, true, nil) }, []string{"1 HEADERS 200 3 the call has no message END"}, false},
		{"two messages", func(c *client) {
			c.open(1, false)
			c.fr.WriteData(1, true, append(message("one"), message("two")...))
		}, []string{"1 HEADERS 200 3 the call has more than one message END", "1 RST NO_ERROR"}, false},
		{"a message that ends early", func(c *client) { c.open(1, false); c.fr.WriteData(1, true, message("hello")[:7]) },
			[]string{"1 HEADERS 200 3 the message ends after 2 of 5 bytes END"}, false},
		{"a prefix that ends early", func(c *client) { c.open(1, false); c.fr.WriteData(1, true, message("hello")[:3]) },
			[]string{"1 HEADERS 200 3 the message ends after 0 of 0 bytes END"}, false},
		{"a message over the limit", func(c *client) { c.open(1, false); c.fr.WriteData(1, false, []byte{0, 0xff, 0, 0, 0}) },
			[]string{"1 HEADERS 200 8 the body is larger than the limit once inflated: 4278190080 bytes and the limit is 4194304 END", "1 RST NO_ERROR"}, false},
		{"compressed by nothing", func(c *client) { c.open(1, false); c.fr.WriteData(1, true, []byte{1, 0, 0, 0, 1, 1}) },
			[]string{"1 HEADERS 200 13 the message is marked as compressed and there is no grpc-encoding END"}, false},
		{"no gzip", func(c *client) {
			c.open(1, false, "grpc-encoding", "gzip")
			c.fr.WriteData(1, true, []byte{1, 0, 0, 0, 1, 1})
		}, []string{"1 HEADERS 200 3 cannot inflate the message: cannot read the gzip header: unexpected EOF END"}, false},
		{"the handler's error", func(c *client) { c.open(1, false, ":path", "/fail"); c.fr.WriteData(1, true, message("")) },
			[]string{"1 HEADERS 200 3 100 %25 wrong%0A END"}, false},
		{"a panic", func(c *client) {
			c.open(1, false, ":path", "/panic")
			c.fr.WriteData(1, true, message(""))
			c.call(3, "hello")
		}, []string{"1 HEADERS 200 13 the server failed; see its log END"}, false},

		{"DATA after the end", func(c *client) {
			c.open(1, false, ":path", "/wait")
			c.fr.WriteData(1, true, message(""))
			c.fr.WriteData(1, true, message(""))
			c.call(3, "hello")
		}, append([]string{"1 RST STREAM_CLOSED"}, ok("3", "10")...), false},
		{"HEADERS after the end", func(c *client) {
			c.open(1, false, ":path", "/wait")
			c.fr.WriteData(1, true, message(""))
			c.open(1, true)
			c.call(3, "hello")
		}, append([]string{"1 RST STREAM_CLOSED"}, ok("3", "10")...), false},
		{"WINDOW_UPDATE of 0 for a stream", func(c *client) { c.open(1, false); c.fr.WriteWindowUpdate(1, 0) }, []string{"1 RST PROTOCOL_ERROR"}, false},
		{"a stream's window too large", func(c *client) { c.open(1, false); c.fr.WriteWindowUpdate(1, 1<<31-1) }, []string{"1 RST FLOW_CONTROL_ERROR"}, false},

		{"an even stream", func(c *client) { c.open(2, false) }, []string{"GOAWAY 0 PROTOCOL_ERROR HEADERS of a stream that a client cannot open"}, true},
		{"stream 0", func(c *client) { c.open(0, false) }, []string{"GOAWAY 0 PROTOCOL_ERROR HEADERS of a stream that a client cannot open"}, true},
		{"DATA without HEADERS", func(c *client) { c.fr.WriteData(1, true, nil) }, []string{"GOAWAY 0 PROTOCOL_ERROR DATA of a stream that was not opened"}, true},
		{"RST_STREAM without HEADERS", func(c *client) { c.fr.WriteRSTStream(1, 0) }, []string{"GOAWAY 0 PROTOCOL_ERROR RST_STREAM of a stream that was not opened"}, true},
		{"WINDOW_UPDATE without HEADERS", func(c *client) { c.fr.WriteWindowUpdate(1, 1) }, []string{"GOAWAY 0 PROTOCOL_ERROR WINDOW_UPDATE of a stream that was not opened"}, true},
		{"WINDOW_UPDATE of 0", func(c *client) { c.fr.WriteWindowUpdate(0, 0) }, []string{"GOAWAY 0 PROTOCOL_ERROR an impossible WINDOW_UPDATE"}, true},
		{"the connection's window too large", func(c *client) { c.fr.WriteWindowUpdate(0, 1<<31-1) }, []string{"GOAWAY 0 FLOW_CONTROL_ERROR an impossible WINDOW_UPDATE"}, true},
		{"a huge initial window", func(c *client) { c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}) },
			[]string{"GOAWAY 0 FLOW_CONTROL_ERROR SETTINGS_INITIAL_WINDOW_SIZE over its limit"}, true},
		{"a small frame size", func(c *client) { c.fr.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR an impossible MAX_FRAME_SIZE"}, true},
		{"half a setting", func(c *client) { c.fr.WriteRawFrame(http2.FrameSettings, 0, 0, make([]byte, 7)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR SETTINGS of a wrong length"}, true},
		{"SETTINGS of a stream", func(c *client) { c.fr.WriteRawFrame(http2.FrameSettings, 0, 1, nil) }, []string{"GOAWAY 0 PROTOCOL_ERROR SETTINGS of a stream"}, true},
		{"a short ping", func(c *client) { c.fr.WriteRawFrame(http2.FramePing, 0, 0, make([]byte, 7)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR PING of a wrong length"}, true},
		{"PUSH_PROMISE", func(c *client) { c.fr.WriteRawFrame(http2.FramePushPromise, 0, 1, make([]byte, 4)) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR PUSH_PROMISE from a client"}, true},
		{"a large frame", func(c *client) { c.fr.WriteRawFrame(http2.FrameData, 0, 1, make([]byte, 16385)) },
			[]string{"GOAWAY 0 FRAME_SIZE_ERROR a frame larger than SETTINGS_MAX_FRAME_SIZE"}, true},
		{"more padding than frame", func(c *client) {
			c.open(1, false)
			c.fr.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 1, []byte{9, 1})
		},
			[]string{"GOAWAY 1 PROTOCOL_ERROR more padding than frame"}, true},
		{"padding without a length", func(c *client) { c.fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPadded, 1, nil) },
			[]string{"GOAWAY 0 PROTOCOL_ERROR padding without its length"}, true},
		{"a frame inside a header block", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head()})
			c.fr.WritePing(false, [8]byte{})
		}, []string{"GOAWAY 0 PROTOCOL_ERROR another frame inside a header block"}, true},
		{"CONTINUATION of another stream", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head()})
			c.fr.WriteContinuation(3, true, nil)
		}, []string{"GOAWAY 0 PROTOCOL_ERROR another frame inside a header block"}, true},
		{"CONTINUATION without HEADERS", func(c *client) { c.fr.WriteContinuation(1, true, nil) }, []string{"GOAWAY 0 PROTOCOL_ERROR CONTINUATION without HEADERS"}, true},
		{"a flood of CONTINUATION", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: c.head()})
			for range 100 {
				c.fr.WriteContinuation(1, false, nil)
			}
		}, []string{"GOAWAY 0 ENHANCE_YOUR_CALM too many CONTINUATION frames"}, true},
		{"a header that does not decode", func(c *client) {
			c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		}, []string{"GOAWAY 0 COMPRESSION_ERROR cannot decode a header: decoding error: truncated headers"}, true},
		{"pings without end", func(c *client) {
			for range 10 {
				c.fr.WritePing(false, [8]byte{'h', 'i'})
			}
		}, []string{"PONG hi", "PONG hi", "PONG hi", "GOAWAY 0 ENHANCE_YOUR_CALM too_many_pings"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Handlers["/fail"] = func(context.Context, Call) ([]byte, error) { return nil, errTest }
			o.Handlers["/panic"] = func(context.Context, Call) ([]byte, error) { panic("oh") }
			o.Handlers["/wait"] = func(ctx context.Context, _ Call) ([]byte, error) { <-ctx.Done(); return nil, errTest }
			_, addr := start(t, o)
			cl := dialRaw(t, addr)
			c.send(cl)
			cl.wants(c.want...)
			if c.ends {
				cl.wantsEnd()
				return
			}
			cl.open(101, false)
			cl.fr.WriteData(101, true, message(""))
			cl.wants("101 HEADERS 0 END") // it still serves
		})
	}
}

// TestWindows: who sends more than he was allowed loses the stream or the connection. The server gives windows back as
// it reads, so the test takes them away.
func TestWindows(t *testing.T) {
	s, addr := start(t, options())
	c := dialRaw(t, addr)
	take := func(f func(*conn)) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for conn := range s.conns {
			conn.mu.Lock()
			f(conn)
			conn.mu.Unlock()
		}
	}
	c.open(1, false)
	c.call(3, "hello")
	c.wants("3 HEADERS 0 END")
	take(func(c *conn) { c.streams[1].window = 100 })
	c.fr.WriteWindowUpdate(1, 1) // locks what the test wrote
	c.fr.WriteData(1, false, make([]byte, 101))
	c.wants("1 RST FLOW_CONTROL_ERROR")
	take(func(c *conn) { c.window = 100 })
	c.open(5, false)
	c.fr.WriteData(5, false, make([]byte, 101))
	c.wants("GOAWAY 5 FLOW_CONTROL_ERROR DATA beyond the connection's window")
	c.wantsEnd()
}

// TestResetCallsKeepTheirPlace: opening and resetting calls does not get a client more handlers than its streams.
func TestResetCallsKeepTheirPlace(t *testing.T) {
	o := options()
	o.MaxStreams = 10
	var inside, most atomic.Int32
	leave := make(chan struct{})
	o.Handlers["/stubborn"] = func(context.Context, Call) ([]byte, error) {
		n := inside.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-leave
		inside.Add(-1)
		return nil, nil
	}
	_, addr := start(t, o)
	c := dialRaw(t, addr)
	for i := range uint32(500) {
		id := 2*i + 1
		c.open(id, false, ":path", "/stubborn")
		c.fr.WriteData(id, true, message(""))
		c.fr.WriteRSTStream(id, http2.ErrCodeCancel)
	}
	c.wants("999 RST REFUSED_STREAM")
	if n := most.Load(); n != 10 {
		t.Errorf("%d handlers ran at once, want 10", n)
	}
	close(leave)
	for id := uint32(1001); ; id += 2 {
		c.call(id, "hello")
		time.Sleep(time.Millisecond)
		if c.saw(fmt.Sprint(id, " DATA 10")) {
			return
		}
		if id > 5000 {
			t.Fatal("the places were not freed")
		}
	}
}

// TestAPeerThatDoesNotRead loses its connection, not our workers.
func TestAPeerThatDoesNotRead(t *testing.T) {
	o := options()
	var calls atomic.Int32
	o.Handlers[echo] = func(_ context.Context, c Call) ([]byte, error) {
		calls.Add(1)
		return make([]byte, 12<<10), nil
	}
	s, addr := start(t, o)
	s.writeTimeout = 400 * time.Millisecond
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.(*net.TCPConn).SetReadBuffer(4 << 10)
	c := &client{t: t, nc: nc, fr: http2.NewFramer(nc, nil)}
	c.enc = hpack.NewEncoder(&c.block)
	nc.Write([]byte(http2.ClientPreface))
	c.fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
	c.fr.WriteWindowUpdate(0, 1<<30)
	for n := 0; n == 0; {
		s.mu.Lock()
		for conn := range s.conns {
			conn.sock.(*net.TCPConn).SetWriteBuffer(4 << 10)
			n++
		}
		s.mu.Unlock()
	}
	go func() {
		for id := uint32(1); ; id += 2 {
			c.open(id, false)
			if c.fr.WriteData(id, true, message("")) != nil {
				return
			}
		}
	}()
	for end := time.Now().Add(25 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		s.mu.Lock()
		n := len(s.conns)
		s.mu.Unlock()
		if n == 0 && calls.Load() > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d connections are open", n)
		}
	}
}
