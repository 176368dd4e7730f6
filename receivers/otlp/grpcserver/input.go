package grpcserver

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// input reads a connection. On a socket it waits without a buffer and borrows one when there is something to read:
// most connections of a fleet are idle at any moment.
type input struct {
	nc    net.Conn
	raw   syscall.RawConn // nil where bytes cannot be had from the socket itself, as under TLS
	pool  *sync.Pool      // of *[]byte
	woken func() error    // called when the read deadline passed; reading goes on unless it fails

	lent *[]byte // nil while nothing is buffered
	buf  []byte  // what came and was not taken yet is buf[r:w]
	r, w int
	last time.Time        // when something came
	few  [mostPeeked]byte // keeps what is left over while there is no buffer

	attempt func(fd uintptr) bool // method value of try, made once
	n       int
	err     error
}

// mostPeeked is the longest that peek is asked for: the client's preface.
const mostPeeked = 24

// ownBuffer is the size of the buffer of a connection that cannot do without.
const ownBuffer = 4 << 10

func (in *input) init(nc net.Conn, pool *sync.Pool, woken func() error) {
	in.nc, in.pool, in.woken, in.last = nc, pool, woken, time.Now()
	in.attempt = in.try
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			in.raw = raw
			return
		}
	}
	in.buf = make([]byte, ownBuffer)
}

// buffered is what came and was not taken yet.
func (in *input) buffered() []byte { return in.buf[in.r:in.w] }

// peek returns the next n bytes without taking them.
func (in *input) peek(n int) ([]byte, error) {
	for in.w-in.r < n {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

// take drops n bytes that were looked at.
func (in *input) take(n int) { in.r += n }

// some returns at most n of the next bytes, and at least one, without taking them.
func (in *input) some(n int) ([]byte, error) {
	if _, err := in.peek(1); err != nil {
		return nil, err
	}
	b := in.buffered()
	return b[:min(n, len(b))], nil
}

// read fills a part of dst, past the buffer when it is empty. It may return 0 without an error: when the read deadline
// had passed, so that the caller sees what that changed.
func (in *input) read(dst []byte) (int, error) {
	if in.w > in.r {
		n := copy(dst, in.buffered())
		in.take(n)
		return n, nil
	}
	if len(dst) < ownBuffer { // a buffer brings the next frames' heads, too
		_, err := in.fillOnce()
		return 0, err
	}
	in.giveBack()
	n, err := in.nc.Read(dst)
	if n > 0 {
		in.last = time.Now()
		return n, nil
	}
	return 0, in.after(err)
}

// discard drops the next n bytes.
func (in *input) discard(n int) error {
	for n > 0 {
		b, err := in.some(n)
		if err != nil {
			return err
		}
		in.take(len(b))
		n -= len(b)
	}
	return nil
}

// fill reads more behind what is buffered, whose beginning it moves. Less than mostPeeked bytes are.
func (in *input) fill() error {
	for {
		if got, err := in.fillOnce(); got || err != nil {
			return err
		}
	}
}

// fillOnce is fill that also returns when the deadline had passed.
func (in *input) fillOnce() (got bool, err error) {
	var n int
	if in.raw != nil {
		in.n, in.err = 0, nil
		if err = in.raw.Read(in.attempt); err == nil {
			n, err = in.n, in.err
		}
	} else {
		in.w = copy(in.buf, in.buffered())
		in.r = 0
		n, err = in.nc.Read(in.buf[in.w:])
	}
	if n > 0 {
		in.w += n
		in.last = time.Now()
		return true, nil
	}
	return false, in.after(err)
}

// try reads what the socket has. It says whether the attempt is over; if not, it is called again when there is more.
func (in *input) try(fd uintptr) bool {
	left := in.buffered()
	if in.lent == nil {
		in.lent = in.pool.Get().(*[]byte)
	}
	in.w = copy(*in.lent, left)
	in.buf, in.r = *in.lent, 0
	for {
		in.n, in.err = syscall.Read(int(fd), in.buf[in.w:])
		switch in.err {
		case nil:
			if in.n == 0 {
				in.err = io.EOF
			}
			return true
		case syscall.EINTR:
		case syscall.EAGAIN:
			in.giveBack()
			return false
		default:
			return true
		}
	}
}

// giveBack returns the borrowed buffer. What is left over in it is kept aside.
func (in *input) giveBack() {
	if in.lent == nil {
		return
	}
	in.w = copy(in.few[:], in.buffered())
	in.buf, in.r = in.few[:], 0
	in.pool.Put(in.lent)
	in.lent = nil
}

// after says whether reading goes on after err.
func (in *input) after(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return in.woken()
	}
	return err
}
