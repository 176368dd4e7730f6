package conns

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Input reads a connection, for one goroutine. On a socket it borrows a buffer only when there is something to
// read: most connections of a fleet are idle.
type Input struct {
	nc    net.Conn
	raw   syscall.RawConn // nil where bytes cannot be had from the socket itself, as under TLS
	pool  *sync.Pool      // of *[]byte
	woken func() error    // called when the read deadline passed; reading goes on unless it fails

	lent *[]byte // nil while nothing is buffered
	buf  []byte  // what came and was not taken yet is buf[r:w]
	r, w int
	Last time.Time        // when something came
	few  [mostPeeked]byte // keeps what is left over while there is no buffer

	attempt func(fd uintptr) bool // method value of try, made once
	n       int
	err     error
}

// mostPeeked is how much may be left over without a buffer: the HTTP/2 preface.
const mostPeeked = 24

const ownBuffer = 4 << 10

// Init sets it up. pool lends buffers of one size, *[]byte. woken is called when the read deadline has passed;
// reading goes on unless it fails.
func (in *Input) Init(nc net.Conn, pool *sync.Pool, woken func() error) {
	in.nc, in.pool, in.woken, in.Last = nc, pool, woken, time.Now()
	in.attempt = in.try
	if s, ok := nc.(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			in.raw = raw
			return
		}
	}
	in.buf = make([]byte, ownBuffer)
}

// Buffered is what was read but not taken yet.
func (in *Input) Buffered() []byte { return in.buf[in.r:in.w] }

// Peek returns the next n bytes without taking them. n must be below the buffer size.
func (in *Input) Peek(n int) ([]byte, error) {
	for in.w-in.r < n {
		if _, err := in.Fill(); err != nil {
			return nil, err
		}
	}
	return in.buf[in.r : in.r+n], nil
}

// Take drops n peeked bytes.
func (in *Input) Take(n int) { in.r += n }

// Some returns 1 to n of the next bytes without taking them.
func (in *Input) Some(n int) ([]byte, error) {
	if _, err := in.Peek(1); err != nil {
		return nil, err
	}
	b := in.Buffered()
	return b[:min(n, len(b))], nil
}

// Read fills a part of dst, bypassing the buffer when it is empty. It may return 0, nil after the read deadline has
// passed, so that the caller sees what that changed.
func (in *Input) Read(dst []byte) (int, error) {
	if in.w > in.r {
		n := copy(dst, in.Buffered())
		in.Take(n)
		return n, nil
	}
	if len(dst) < ownBuffer { // a buffer brings the next frames' heads, too
		_, err := in.Fill()
		return 0, err
	}
	in.GiveBack()
	n, err := in.nc.Read(dst)
	if n > 0 {
		in.Last = time.Now()
		return n, nil
	}
	return 0, in.after(err)
}

// Discard drops the next n bytes.
func (in *Input) Discard(n int) error {
	for n > 0 {
		b, err := in.Some(n)
		if err != nil {
			return err
		}
		in.Take(len(b))
		n -= len(b)
	}
	return nil
}

// Fill appends to the buffer, which it compacts and which must not be full. It may return false, nil after the
// deadline has passed.
func (in *Input) Fill() (got bool, err error) {
	var n int
	if in.raw != nil {
		in.n, in.err = 0, nil
		if err = in.raw.Read(in.attempt); err == nil {
			n, err = in.n, in.err
		}
	} else {
		in.w = copy(in.buf, in.Buffered())
		in.r = 0
		n, err = in.nc.Read(in.buf[in.w:])
	}
	if n > 0 {
		in.w += n
		in.Last = time.Now()
		return true, nil
	}
	return false, in.after(err)
}

// try reads from the socket. If it returns false it is called again when there is more.
func (in *Input) try(fd uintptr) bool {
	left := in.Buffered()
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
			in.GiveBack()
			return false
		default:
			return true
		}
	}
}

// GiveBack returns the buffer, unless more than mostPeeked bytes are left in it.
func (in *Input) GiveBack() {
	if in.lent == nil || in.w-in.r > len(in.few) {
		return
	}
	in.w = copy(in.few[:], in.Buffered())
	in.buf, in.r = in.few[:], 0
	in.pool.Put(in.lent)
	in.lent = nil
}

// after reports whether reading ends after err.
func (in *Input) after(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return in.woken()
	}
	return err
}
