package scrape

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"reflect"
	"sync"
	"syscall"
	"time"

	commonconfig "github.com/prometheus/common/config"
)

// direct scrapes targets without TLS, proxy or credentials: HTTP/1.1 on one connection, in the caller's goroutine. net/http
// has two more goroutines per connection, which cost as much as reading a body. Responses are parsed by http.ReadResponse.
type direct struct {
	dial    commonconfig.DialContextFunc
	address string
	request *http.Request
	head    []byte // the encoded request
	conn    net.Conn
	body    directBody // of the current response
}

const maxHead = 1 << 20

// newDirect returns nil if the target needs net/http.
func newDirect(j *job, req *http.Request) *direct {
	plain := j.cfg.HTTPClientConfig
	plain.FollowRedirects = true // the client takes over at a redirect, and follows it or not
	if !reflect.DeepEqual(plain, commonconfig.DefaultHTTPClientConfig) || req.URL.Scheme != "http" {
		return nil
	}
	for _, c := range []byte(req.URL.Host) {
		if c >= 0x80 {
			return nil // net/http knows how such a name is written in DNS
		}
	}
	p := &direct{dial: j.r.dial, address: req.URL.Host, request: req}
	if req.URL.Port() == "" {
		p.address = net.JoinHostPort(req.URL.Hostname(), "80")
	}
	if p.dial == nil {
		p.dial = (&net.Dialer{KeepAlive: 30 * time.Second}).DialContext
	}
	var head bytes.Buffer
	if req.Write(&head) != nil {
		return nil
	}
	p.head = head.Bytes()
	return p
}

var errRedirected = errors.New("the target redirects")

// get sends one request; close the response's body before the next call. A reused connection that closed before any response
// is replaced.
func (p *direct) get(ctx context.Context) (*http.Response, error) {
	for {
		if p.conn != nil && !isQuiet(p.conn) {
			p.close()
		}
		kept := p.conn != nil
		if !kept {
			var err error
			if p.conn, err = p.dial(ctx, "tcp", p.address); err != nil {
				return nil, err
			}
		}
		resp, err := p.exchange(ctx)
		if err == nil {
			return resp, nil
		}
		silent := p.body.in.left == maxHead
		p.close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if !kept || !silent {
			return nil, err
		}
	}
}

func (p *direct) exchange(ctx context.Context) (*http.Response, error) {
	conn := p.conn
	b := &p.body
	*b = directBody{p: p, in: boundedReader{from: conn, left: maxHead}, buf: readers.Get().(*bufio.Reader)}
	b.buf.Reset(&b.in)
	b.stop = context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	resp, err := p.ask(b.buf)
	if err == nil && isRedirect(resp) {
		err = errRedirected
	}
	if err != nil {
		b.release()
		return nil, err
	}
	b.in.left = math.MaxInt
	b.from, b.last = resp.Body, resp.Close || resp.StatusCode == http.StatusSwitchingProtocols
	resp.Body = b
	return resp, nil
}

// ask skips 1xx responses; maxHead limits all of them together.
func (p *direct) ask(from *bufio.Reader) (*http.Response, error) {
	if _, err := p.conn.Write(p.head); err != nil {
		return nil, err
	}
	for {
		resp, err := http.ReadResponse(from, p.request)
		if err != nil || resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

func (p *direct) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// directBody is a response body. Closing it ends the exchange.
type directBody struct {
	p    *direct
	in   boundedReader
	buf  *bufio.Reader
	from io.ReadCloser
	last bool // the server closes the connection afterwards
	read bool // read to its end
	stop func() bool
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func (b *directBody) Read(dst []byte) (int, error) {
	n, err := b.from.Read(dst)
	b.read = b.read || err == io.EOF
	return n, err
}

// Close keeps the connection if nothing is left on it.
func (b *directBody) Close() error {
	if b.buf == nil {
		return nil
	}
	clean := b.read && !b.last && b.buf.Buffered() == 0
	if !b.release() || !clean {
		b.p.close()
	}
	return nil
}

// release reports whether the context's deadline has not touched the connection.
func (b *directBody) release() bool {
	b.from = http.NoBody // the old reader is reused for another response
	b.buf.Reset(nil)
	readers.Put(b.buf)
	b.buf = nil
	return b.stop()
}

type boundedReader struct {
	from io.Reader
	left int
}

var errHead = fmt.Errorf("the head of the answer has more than %d bytes", maxHead)

func (r *boundedReader) Read(dst []byte) (int, error) {
	if r.left <= 0 {
		return 0, errHead
	}
	n, err := r.from.Read(dst[:min(len(dst), r.left)])
	r.left -= n
	return n, err
}

// isQuiet reports whether an idle connection is open and has no unexpected bytes, which would be taken for the next
// response.
func isQuiet(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return quiet && err == nil
}
