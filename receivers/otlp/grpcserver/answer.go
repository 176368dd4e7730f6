package grpcserver

import (
	"encoding/binary"
	"time"

	"golang.org/x/net/http2"
)

// Encoded once: the start of every answer and the end of every success.
var (
	answerHead = append([]byte{0x88 /* :status 200 */}, append(appendLength([]byte{0x0f, 0x10 /* content-type */}, len("application/grpc")), "application/grpc"...)...)
	answerOK   = appendField(nil, "grpc-status", "0")
)

// answer sends a success, in one write if the peer's windows allow. It returns out for reuse.
func (c *conn) answer(st *stream, message, out []byte) []byte {
	size := 5 + len(message)
	c.mu.Lock()
	if st.phase != running {
		c.freePlace() // reset meanwhile
		c.mu.Unlock()
		return out
	}
	c.spoke = true
	if size > min(st.sendWindow, c.sendWindow, maxFrame) {
		c.mu.Unlock()
		return c.answerLater(st, message, out)
	}
	c.sendWindow -= size
	st.phase = over
	delete(c.streams, st.id)
	c.mu.Unlock()

	out = appendHeaders(out[:0], frameHeader{id: st.id}, answerHead)
	out = appendFrameHeader(out, frameHeader{length: size, typ: http2.FrameData, id: st.id})
	out = appendMessage(out, message)
	out = appendHeaders(out, frameHeader{id: st.id, flags: http2.FlagHeadersEndStream}, answerOK)
	c.write(out)
	c.doneWriting()
	return out
}

func appendMessage(dst, message []byte) []byte {
	dst = append(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message)))
	return append(dst, message...)
}

// answerError sends an error, in one write: headers have no flow control.
func (c *conn) answerError(st *stream, err error, out []byte) []byte {
	c.mu.Lock()
	if st.phase != running {
		c.freePlace()
		c.mu.Unlock()
		return out
	}
	c.spoke = true
	st.phase = over
	delete(c.streams, st.id)
	c.mu.Unlock()
	out = appendHeaders(out[:0], frameHeader{id: st.id, flags: http2.FlagHeadersEndStream}, c.trailersOnly(err))
	c.write(out)
	c.doneWriting()
	return out
}

func (c *conn) trailersOnly(err error) []byte {
	st := c.srv.statusOf(err)
	fields := appendStatus(append([]byte(nil), answerHead...), st)
	return appendField(fields, "grpc-accept-encoding", acceptEncoding)
}

// answerAtOnce answers a call without a stream. If its message is incomplete, it resets the stream.
func (c *conn) answerAtOnce(id uint32, ended bool, fields []byte) {
	out := appendHeaders(c.out[:0], frameHeader{id: id, flags: http2.FlagHeadersEndStream}, fields)
	if !ended {
		out = appendReset(out, id, http2.ErrCodeNo)
	}
	c.mu.Lock()
	c.spoke = true
	c.mu.Unlock()
	c.write(out)
	c.out = out
}

func (c *conn) doneWriting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.freePlace()
}

// mu is held.
func (c *conn) freePlace() {
	if c.busy--; c.busy > 0 {
		return
	}
	c.idleSince = time.Now()
	if c.leaving {
		c.nudgeLocked()
	}
}

func (c *conn) answerLater(st *stream, message, out []byte) []byte {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	if st.phase != running {
		c.freePlace()
		c.mu.Unlock()
		return out
	}
	st.phase = answering
	st.pending = appendMessage(nil, message)
	st.trailer = appendHeaders(nil, frameHeader{id: st.id, flags: http2.FlagHeadersEndStream}, answerOK)
	if c.stuck++; c.stuck == 1 {
		c.stuckSince = time.Now()
		c.nudgeLocked() // the reader waits for the windows
	}
	c.mu.Unlock()
	c.writeLocked(c.push(st, appendHeaders(out[:0], frameHeader{id: st.id}, answerHead)))
	return out
}

// push appends what the windows allow. writing is held to keep the frame order.
func (c *conn) push(st *stream, out []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.phase != answering {
		return out
	}
	for len(st.pending) > 0 {
		n := min(len(st.pending), st.sendWindow, c.sendWindow, maxFrame)
		if n <= 0 {
			return out
		}
		c.spoke = true // clients ping every few frames to measure bandwidth
		out = appendFrameHeader(out, frameHeader{length: n, typ: http2.FrameData, id: st.id})
		out = append(out, st.pending[:n]...)
		st.pending = st.pending[n:]
		st.sendWindow -= n
		c.sendWindow -= n
	}
	out = append(out, st.trailer...)
	c.forgetLocked(st)
	return out
}

func (c *conn) pushAll() {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.mu.Lock()
	var waiting []*stream
	for _, st := range c.streams {
		if st.phase == answering {
			waiting = append(waiting, st)
		}
	}
	c.mu.Unlock()
	out := c.out[:0]
	for _, st := range waiting {
		out = c.push(st, out)
	}
	if len(out) > 0 {
		c.writeLocked(out)
	}
	c.out = out
}

// mu is held.
func (c *conn) unstick() {
	c.stuck--
	c.stuckSince = time.Now()
}

func (c *conn) growSendWindow(id uint32, n int) error {
	c.mu.Lock()
	window, st := &c.sendWindow, c.streams[id]
	if id != 0 {
		if st == nil {
			c.mu.Unlock()
			return nil
		}
		window = &st.sendWindow
	}
	code := http2.ErrCodeNo
	if *window += n; n == 0 {
		code = http2.ErrCodeProtocol
	} else if *window > maxWindow {
		code = http2.ErrCodeFlowControl
	}
	stuck := c.stuck > 0
	c.mu.Unlock()
	switch {
	case code != http2.ErrCodeNo && id == 0:
		return connError{code, "an impossible WINDOW_UPDATE"}
	case code != http2.ErrCodeNo:
		c.forget(id)
		c.write(appendReset(c.out[:0], id, code))
	case stuck:
		c.pushAll()
	}
	return nil
}

func (c *conn) resizeSendWindows(n int) error {
	c.mu.Lock()
	more := n - c.firstSend
	c.firstSend = n
	for _, st := range c.streams {
		if st.sendWindow += more; st.sendWindow > maxWindow {
			c.mu.Unlock()
			return connError{http2.ErrCodeFlowControl, "SETTINGS_INITIAL_WINDOW_SIZE makes a window too large"}
		}
	}
	stuck := c.stuck > 0
	c.mu.Unlock()
	if stuck {
		c.pushAll()
	}
	return nil
}
