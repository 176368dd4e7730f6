package grpcserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"

	"github.com/sluiceio/sluice/internal/conns"
	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/pipeline"
)

// stream is one call.
type stream struct {
	c        *conn
	id       uint32
	handler  Handler
	encoding string // as package inflate names it
	began    time.Time
	timeout  time.Duration // the client's, or 0

	// Of the reading goroutine while the message comes, then of the worker.
	prefix   [5]byte    // compressed or not, and the length
	prefixed int        // bytes of it that came
	body     conns.Body // its length is known with the prefix
	lease    pipeline.Reservation
	window   int // how many bytes of DATA the peer may still send
	ctx      context.Context

	// Under conn.mu.
	phase      phase
	cancel     context.CancelFunc
	sendWindow int
	pending    []byte // of the answer's DATA, while it waits for a window
	trailer    []byte
}

type phase uint8

const (
	receiving phase = iota
	running
	answering // parts of the answer wait for a window
	over
)

// What a message is refused for.
var (
	errNoMessage  = &Status{Code: codes.InvalidArgument, Message: "the call has no message"}
	errTwo        = &Status{Code: codes.InvalidArgument, Message: "the call has more than one message"}
	errCompressed = &Status{Code: codes.Internal, Message: "the message is marked as compressed and there is no grpc-encoding"}
	errSlow       = pipeline.Refuse(retryAfter, errors.New("the message came too slowly"))
	errStopping   = pipeline.Refuse(retryAfter, errors.New("the server is stopping or being reconfigured"))
)

// ErrCorrupt is in the error for a message that cannot be inflated.
var ErrCorrupt = errors.New("cannot inflate the message")

// retryAfter is what a client is told to wait that we cut short.
const retryAfter = time.Second

// dueBy is when the message has to be there.
func (st *stream) dueBy(o *Options) time.Time {
	return conns.DueBy(st.began, o.Patience, st.body.Came())
}

// data reads a part of a message.
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
		if st.phase == receiving { // it may have been cut while nothing came
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

// stream is the stream of an id, and whether its message still comes; nil when it is over.
func (c *conn) stream(id uint32) (st *stream, coming bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	st = c.streams[id]
	return st, st != nil && st.phase == receiving
}

// receivingStream is the stream that a DATA frame is for; nil when there is none that takes it.
func (c *conn) receivingStream(h frameHeader) *stream {
	st, coming := c.stream(h.id)
	if st == nil {
		return nil // over: we or the peer ended it while this was on its way
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

// trailer ends a message by a second header block. gRPC's clients end it by DATA.
func (c *conn) trailer() error {
	st, coming := c.stream(c.head.id)
	switch {
	case st == nil: // as DATA: it may have been on its way
	case coming && c.head.ended:
		c.complete(st)
	default:
		c.forget(c.head.id)
		c.write(appendReset(c.out[:0], c.head.id, http2.ErrCodeStreamClosed))
	}
	return nil
}

// next is where the next bytes of the message go, at most n.
func (st *stream) next(n int) ([]byte, error) {
	if st.prefixed < len(st.prefix) {
		return st.prefix[st.prefixed:min(len(st.prefix), st.prefixed+n)], nil
	}
	if st.body.Came() == st.body.Declared {
		return nil, errTwo
	}
	return st.body.Next(n, st.lease.Resize)
}

// take notes that n bytes were read to where next said.
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

// giveWindow lets the peer send the n bytes again that came, once it is worth a frame.
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

// complete hands a call whose message is there to a worker.
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

// refuse ends a call whose message is not there, with an answer.
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
		st.cancel() // the worker frees the place
	case answering:
		c.unstick()
		c.freePlace()
	}
}

// dropAll ends the streams of a connection that is over.
func (c *conn) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, st := range c.streams {
		c.forgetLocked(st)
	}
}

// free gives back what the message holds.
func (st *stream) free() {
	st.body.Release()
	st.lease.Release()
}
