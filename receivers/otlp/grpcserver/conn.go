package grpcserver

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sluiceio/sluice/internal/conns"
)

// conn is one connection. The fields above mu belong to the reading goroutine.
type conn struct {
	srv    *Server
	sock   net.Conn // any goroutine may close it or set deadlines
	nc     net.Conn // sock, or TLS over it
	peer   string
	ctx    context.Context // parent of all its calls
	cancel context.CancelFunc

	in     conns.Input
	fields *hpack.Decoder
	head   head
	maxID  uint32 // highest stream ID so far
	window int    // bytes of DATA the peer may still send
	owed   int    // received bytes not yet returned to the peer's window
	out    []byte // scratch
	life   life

	mu         sync.Mutex
	streams    map[uint32]*stream // open streams by ID
	busy       int                // slots in use: streams, and handlers of reset streams
	idleSince  time.Time          // when busy became 0
	sendWindow int                // bytes of DATA we may still send
	firstSend  int                // sendWindow of a new stream
	stuck      int                // streams whose answer waits for a window
	stuckSince time.Time          // when stuck became 1
	asked      bool               // Stop was called
	leaving    bool               // accepts no new calls, ends with the last
	nudged     bool               // the read deadline is in the past to wake the reader
	spoke      bool               // answered something since the last ping; see tooManyPings

	writing sync.Mutex // lock before mu
	writeBy time.Time  // the write deadline
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		srv: s, sock: nc, nc: nc, peer: nc.RemoteAddr().String(),
		window: connectionWindow, sendWindow: initialWindow, firstSend: initialWindow,
		streams: map[uint32]*stream{}, out: make([]byte, 0, 64),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.fields = hpack.NewDecoder(headerTable, c.field)
	c.fields.SetMaxStringLength(maxHeaderList)
	c.life.born = time.Now()
	c.idleSince = c.life.born
	return c
}

func (c *conn) serve() {
	err := c.read()
	var fault connError
	switch {
	case errors.As(err, &fault):
		c.srv.opt.Log.Debug("connection closed", "peer", c.peer, "error", err)
		c.write(appendGoAway(nil, c.maxID, fault.code, fault.why))
		c.linger()
	case errors.Is(err, errLeft):
		c.linger()
	default:
		c.srv.opt.Log.Debug("connection over", "peer", c.peer, "error", err)
	}
	c.abort()
	c.dropAll()
	c.in.GiveBack()
}

// abort closes the connection and cancels its calls. Safe for concurrent use.
func (c *conn) abort() {
	c.cancel()
	c.sock.Close()
}

func (c *conn) read() error {
	if err := c.greet(); err != nil {
		return err
	}
	for {
		b, err := c.in.Peek(frameHeaderBytes)
		if err != nil {
			return err
		}
		h := readFrameHeader(b)
		c.in.Take(frameHeaderBytes)
		if h.length > maxFrame {
			return connError{http2.ErrCodeFrameSize, "a frame larger than SETTINGS_MAX_FRAME_SIZE"}
		}
		if c.head.open && (h.typ != http2.FrameContinuation || h.id != c.head.id) {
			return violation("another frame inside a header block")
		}
		if err := c.frame(h); err != nil {
			return err
		}
	}
}

func (c *conn) frame(h frameHeader) error {
	switch h.typ {
	case http2.FrameData:
		return c.data(h)
	case http2.FrameHeaders:
		return c.headers(h)
	case http2.FrameContinuation:
		return c.continuation(h)
	case http2.FrameRSTStream:
		return c.reset(h)
	case http2.FrameSettings:
		return c.settings(h)
	case http2.FramePing:
		return c.ping(h)
	case http2.FrameWindowUpdate:
		return c.windowUpdate(h)
	case http2.FramePushPromise:
		return violation("PUSH_PROMISE from a client")
	case http2.FramePriority:
		if h.id == 0 {
			return violation("PRIORITY of the connection")
		}
		if h.length != 5 {
			return connError{http2.ErrCodeFrameSize, "PRIORITY of a wrong length"}
		}
	case http2.FrameGoAway:
		if h.id != 0 {
			return violation("GOAWAY of a stream")
		}
	}
	return c.in.Discard(h.length) // unknown frames too
}

func (c *conn) fixed(h frameHeader, length int) ([]byte, error) {
	if h.length != length {
		return nil, connError{http2.ErrCodeFrameSize, h.typ.String() + " of a wrong length"}
	}
	b, err := c.in.Peek(length)
	if err == nil {
		c.in.Take(length)
	}
	return b, err
}

// reset ends a canceled call. Its handler keeps its slot until it returns: resetting calls does not get a client more of
// them.
func (c *conn) reset(h frameHeader) error {
	if h.id == 0 || h.id > c.maxID {
		return violation("RST_STREAM of a stream that was not opened")
	}
	if _, err := c.fixed(h, 4); err != nil {
		return err
	}
	c.forget(h.id)
	return nil
}

func (c *conn) settings(h frameHeader) error {
	if h.id != 0 {
		return violation("SETTINGS of a stream")
	}
	if h.flags.Has(http2.FlagSettingsAck) && h.length != 0 || h.length%6 != 0 {
		return connError{http2.ErrCodeFrameSize, "SETTINGS of a wrong length"}
	}
	if h.flags.Has(http2.FlagSettingsAck) {
		return nil
	}
	window := -1 // the last one counts, so a frame full of them costs one pass over the streams
	for range h.length / 6 {
		b, err := c.in.Peek(6)
		if err != nil {
			return err
		}
		s := http2.Setting{ID: http2.SettingID(binary.BigEndian.Uint16(b)), Val: binary.BigEndian.Uint32(b[2:])}
		c.in.Take(6)
		if s.ID == http2.SettingInitialWindowSize && s.Val > maxWindow {
			return connError{http2.ErrCodeFlowControl, "SETTINGS_INITIAL_WINDOW_SIZE over its limit"}
		}
		if err := s.Valid(); err != nil {
			return violation("an impossible " + s.ID.String())
		}
		if s.ID == http2.SettingInitialWindowSize {
			window = int(s.Val)
		}
	}
	if window >= 0 {
		if err := c.resizeSendWindows(window); err != nil {
			return err
		}
	}
	c.write(appendFrameHeader(c.out[:0], frameHeader{typ: http2.FrameSettings, flags: http2.FlagSettingsAck}))
	return nil
}

func (c *conn) ping(h frameHeader) error {
	if h.id != 0 {
		return violation("PING of a stream")
	}
	b, err := c.fixed(h, 8)
	if err != nil {
		return err
	}
	data := [8]byte(b)
	if h.flags.Has(http2.FlagPingAck) {
		if data == goPing {
			return c.leave()
		}
		return nil
	}
	if c.tooManyPings() {
		return connError{http2.ErrCodeEnhanceYourCalm, "too_many_pings"}
	}
	c.write(appendPing(c.out[:0], http2.FlagPingAck, data))
	return nil
}

func (c *conn) windowUpdate(h frameHeader) error {
	if h.id > c.maxID {
		return violation("WINDOW_UPDATE of a stream that was not opened")
	}
	b, err := c.fixed(h, 4)
	if err != nil {
		return err
	}
	return c.growSendWindow(h.id, int(binary.BigEndian.Uint32(b)&maxWindow))
}

// writeTimeout limits the time a peer may accept no data; the effective limit is between half of it and all of it.
const writeTimeout = 10 * time.Second

// write writes b at once, and closes the connection if the peer does not read. Safe for concurrent use.
func (c *conn) write(b []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.writeLocked(b)
}

func (c *conn) writeLocked(b []byte) {
	if now := time.Now(); c.writeBy.Sub(now) < c.srv.writeTimeout/2 { // not every time: setting a deadline costs more than reading the clock
		c.writeBy = now.Add(c.srv.writeTimeout)
		c.sock.SetWriteDeadline(c.writeBy)
	}
	if _, err := c.nc.Write(b); err != nil {
		c.abort()
	}
}
