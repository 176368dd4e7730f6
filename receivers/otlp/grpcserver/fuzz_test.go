package grpcserver

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// FuzzConn: whatever a client sends behind its preface, nothing panics, Stop ends, and nothing stays reserved.
func FuzzConn(f *testing.F) {
	frames := func(send func(*http2.Framer, func(...string) []byte)) []byte {
		var b bytes.Buffer
		fr := http2.NewFramer(&b, nil)
		fr.AllowIllegalWrites = true
		c := &client{}
		c.enc = hpack.NewEncoder(&c.block)
		send(fr, c.head)
		return b.Bytes()
	}
	f.Add(frames(func(fr *http2.Framer, head func(...string) []byte) {
		fr.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head(), EndHeaders: true})
		fr.WriteData(1, false, message("hello")[:3])
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: head("grpc-encoding", "gzip", "grpc-timeout", "1S"), EndHeaders: true, PadLength: 3})
		fr.WriteDataPadded(3, true, []byte{1, 0, 0, 0, 1, 0}, []byte{0})
		fr.WriteData(1, true, message("hello")[3:])
		fr.WriteWindowUpdate(1, 2)
		fr.WriteWindowUpdate(0, 2)
		fr.WriteRSTStream(1, 0)
		fr.WritePing(false, [8]byte{})
		fr.WriteGoAway(0, 0, nil)
	}))
	f.Add(frames(func(fr *http2.Framer, head func(...string) []byte) {
		fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head()[:5]})
		fr.WriteContinuation(1, true, head()[5:])
		fr.WritePriority(1, http2.PriorityParam{})
		fr.WriteData(1, true, append(message("one"), message("two")...))
		fr.WriteRawFrame(77, 1, 1, []byte("unknown"))
	}))
	// One server for all, over TCP: the way without a buffer of its own is the one that matters.
	o := options()
	o.MaxMessage, o.MaxStreams = 1<<20, 10
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	s := New(o)
	go s.Serve(ln)
	f.Cleanup(func() { s.Stop(context.Background()) })
	f.Fuzz(func(t *testing.T, in []byte) {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(10 * time.Second))
		nc.Write([]byte(http2.ClientPreface))
		nc.Write(in)
		nc.(*net.TCPConn).CloseWrite()
		if _, err := io.Copy(io.Discard, nc); err != nil {
			if e, ok := err.(net.Error); ok && e.Timeout() {
				t.Fatal("the connection stays open")
			}
		}
		nc.Close()
		for end := time.Now().Add(5 * time.Second); o.Budget.Used() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d bytes stay reserved", o.Budget.Used())
			}
		}
	})
}
