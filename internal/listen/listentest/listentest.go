// Package listentest has test helpers: a free port, and a client that sees its connection end.
package listentest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// FreePort returns a free port of 127.0.0.1.
func FreePort(t testing.TB) string {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	_, port, err := net.SplitHostPort(probe.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Client is one kept-alive connection; unlike http.Client it never reconnects.
type Client struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// Dial connects.
func Dial(t testing.TB, address string) *Client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &Client{t, c, bufio.NewReader(c)}
}

// HungUp is the answer on a closed connection.
const HungUp = "unexpected EOF"

// Handshake switches to TLS.
func (c *Client) Handshake(conf *tls.Config) tls.ConnectionState {
	c.t.Helper()
	tc := tls.Client(c.conn, conf)
	c.conn, c.in = tc, bufio.NewReader(tc)
	if err := tc.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	return tc.ConnectionState()
}

// Send sends a GET and does not wait.
func (c *Client) Send() { io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") }

// Post sends an empty POST and does not wait.
func (c *Client) Post() {
	io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: x\r\nContent-Length: 0\r\n\r\n")
}

// Answer is the status and body, or the error that ended the connection.
func (c *Client) Answer() string {
	c.t.Helper()
	c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(text))
}

// Want checks the next answer.
func (c *Client) Want(what string) {
	c.t.Helper()
	if got := c.Answer(); got != what {
		c.t.Errorf("got %q, want %q", got, what)
	}
}
