package grpcserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
)

type stream struct {
	c        *conn
	id       uint32
	handler  Handler
	encoding string // name in package inflate
	began    time.Time
	// requestID is Call's.
	requestID string
	metadata  []hpack.HeaderField // of Options.Metadata
	timeout   time.Duration       // the client's; 0: none

	// Owned by the reading goroutine while the message arrives, then by the worker.
	prefix   [5]byte    // compressed flag and length
	prefixed int        // bytes of prefix received
	body     conns.Body // its length is known after the prefix
	lease    pipeline.Reservation
	window   int // bytes of DATA the peer may still send
	ctx      context.Context

	// Guarded by conn.mu.
	phase      phase
	cancel     context.CancelFunc
	sendWindow int
	pending    []byte // DATA of the answer that waits for a window
	trailer    []byte
}

type phase uint8

const (
	receiving phase = iota
	running
	answering // waits for a window
	over
)

var (
	errNoMessage  = &Status{Code: codes.InvalidArgument, Message: "the call has no message"}
	errTwo        = &Status{Code: codes.InvalidArgument, Message: "the call has more than one message"}
	errCompressed = &Status{Code: codes.Internal, Message: "the message is marked as compressed and there is no grpc-encoding"}
	errSlow       = pipeline.Refuse(retryAfter, errors.New("the message came too slowly"))
	errStopping   = pipeline.Refuse(retryAfter, errors.New("the server is stopping or being reconfigured"))
)

// ErrCorrupt wraps errors of messages that cannot be inflated.
var ErrCorrupt = errors.New("cannot inflate the message")

// retryAfter is for clients that we cut off.
const retryAfter = time.Second

func (st *stream) dueBy(o *Options) time.Time {
	return conns.DueBy(st.began, o.Patience, st.body.Came())
}

func (c *conn) data(h frameHeader) error {
	if h.id == 0 || h.id > c.maxID {
		return violation("DATA of a stream that was not opened")
	}
	if c.window -= h.length; c.window < 0 {
		return connError{http2.ErrCodeFlowControl, "DATA beyond the connection's window"}
	}
	rest, pad, err := c.padding(h, http2.FlagDataPadded)
	if err != nil {
		return err
	}
	if rest -= pad; rest < 0 {
		return violation("more padding than frame")
	}
	st := c.receivingStream(h)
	for rest > 0 && st != nil && st.phase == receiving {
		dst, err := st.next(rest)
		if err != nil {
			c.refuse(st, err)
			break
		}
		n, err := c.in.Read(dst)
		if err != nil {
			return err
		}
		if st.phase == receiving { // it may have been cut meanwhile
			rest -= n
			if err := st.take(n); err != nil {
				c.refuse(st, err)
			}
		}
	}
	if err := c.in.Discard(rest + pad); err != nil {
		return err
	}
	c.giveWindow(st, h.length)
	if st != nil && st.phase == receiving && h.flags.Has(http2.FlagDataEndStream) {
		c.complete(st)
	}
	return nil
}

// stream returns an open stream, or nil, and whether its message is still arriving.
func (c *conn) stream(id uint32) (st *stream, coming bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st = c.streams[id]
	return st, st != nil && st.phase == receiving
}

// receivingStream returns nil if no stream accepts the frame.
func (c *conn) receivingStream(h frameHeader) *stream {
	st, coming := c.stream(h.id)
	if st == nil {
		return nil // closed while the frame was on its way
	}
	code := http2.ErrCodeStreamClosed
	if coming {
		if st.window -= h.length; st.window >= 0 {
			return st
		}
		code = http2.ErrCodeFlowControl
	}
	c.forget(h.id)
	c.write(appendReset(c.out[:0], h.id, code))
	return nil
}

// trailer ends a message by a second header block; gRPC clients use DATA instead.
func (c *conn) trailer() error {
	st, coming := c.stream(c.head.id)
	switch {
	case st == nil: // may have been closed meanwhile, as for DATA
	case coming && c.head.ended:
		c.complete(st)
	default:
		c.forget(c.head.id)
		c.write(appendReset(c.out[:0], c.head.id, http2.ErrCodeStreamClosed))
	}
	return nil
}

func (st *stream) next(n int) ([]byte, error) {
	if st.prefixed < len(st.prefix) {
		return st.prefix[st.prefixed:min(len(st.prefix), st.prefixed+n)], nil
	}
	if st.body.Came() == st.body.Declared {
		return nil, errTwo
	}
	return st.body.Next(n, st.lease.Resize)
}

func (st *stream) take(n int) error {
	if st.prefixed == len(st.prefix) {
		st.body.Took(n)
		return nil
	}
	if st.prefixed += n; st.prefixed < len(st.prefix) {
		return nil
	}
	length := binary.BigEndian.Uint32(st.prefix[1:])
	if int64(length) > int64(st.c.srv.opt.MaxMessage) {
		return fmt.Errorf("%w: %d bytes and the limit is %d", inflate.ErrTooLarge, length, st.c.srv.opt.MaxMessage)
	}
	if st.prefix[0] != 0 && st.encoding == "" {
		return errCompressed
	}
	st.body.Declared = int(length)
	return nil
}

func (c *conn) giveWindow(st *stream, n int) {
	out := c.out[:0]
	if c.owed += n; c.owed >= connectionWindow/4 {
		out = appendWindowUpdate(out, 0, c.owed)
		c.window += c.owed
		c.owed = 0
	}
	if st != nil && st.phase == receiving && st.window < streamWindow/2 && st.body.Declared-st.body.Came() > st.window {
		out = appendWindowUpdate(out, st.id, streamWindow-st.window)
		st.window = streamWindow
	}
	if len(out) > 0 {
		c.write(out)
	}
	c.out = out
}

func (c *conn) complete(st *stream) {
	switch {
	case st.prefixed == 0:
		c.refuse(st, errNoMessage)
		return
	case st.prefixed < len(st.prefix) || st.body.Came() < st.body.Declared:
		c.refuse(st, &Status{Code: codes.InvalidArgument, Message: fmt.Sprintf("the message ends after %d of %d bytes", st.body.Came(), st.body.Declared)})
		return
	}
	deadline := time.Now().Add(c.srv.opt.CallTimeout)
	if own := st.began.Add(st.timeout); st.timeout > 0 && own.Before(deadline) {
		deadline = own
	}
	c.mu.Lock()
	st.ctx, st.cancel = context.WithDeadline(c.ctx, deadline)
	st.phase = running
	c.mu.Unlock()
	c.srv.open.Add(1)
	c.srv.workers.Run(st)
}

// refuse answers a call whose message is incomplete.
func (c *conn) refuse(st *stream, err error) {
	c.forget(st.id)
	c.answerAtOnce(st.id, false, c.trailersOnly(err))
}

// forget ends a stream without an answer.
func (c *conn) forget(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.streams[id]; st != nil {
		c.forgetLocked(st)
	}
}

func (c *conn) forgetLocked(st *stream) {
	was := st.phase
	st.phase = over
	delete(c.streams, st.id)
	switch was {
	case receiving:
		st.free()
		c.freePlace()
	case running:
		st.cancel() // the worker frees the slot
	case answering:
		c.unstick()
		c.freePlace()
	}
}

func (c *conn) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.streams {
		c.forgetLocked(st)
	}
}

func (st *stream) free() {
	st.body.Release()
	st.lease.Release()
}
