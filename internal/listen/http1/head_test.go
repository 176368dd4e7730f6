package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

const plainHead = "POST /v1/logs HTTP/1.1\r\nHost: centre:4318\r\nUser-Agent: fleet/1 (x)\r\nContent-Type: application/x-protobuf\r\nContent-Length: 17\r\n\r\n"

func TestHead(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(plainHead, old, new, 1) }
	field := func(line string) string { return with("Host:", line+"\r\nHost:") }
	for _, c := range []struct {
		name, head string
		want       verdict
	}{
		{"plain", plainHead, ours},
		{"with the body behind it", plainHead + "\n\x00", ours},
		{"names in any case", strings.ReplaceAll(with("Content-Length", "CONTENT-length"), "Host", "hOST"), ours},
		{"no space behind the colon", with("Host: ", "Host:"), ours},
		{"space around a value", with("Host: centre:4318", "Host: \t centre:4318 \t"), ours},
		{"keep-alive", field("Connection: Keep-Alive"), ours},
		{"a request's ID", field("sluice-request-id: 0123"), ours},
		{"two IDs of a request", field("Sluice-Request-Id: 1\r\nSLUICE-REQUEST-ID: 2"), ours},
		{"an empty ID, and one", field("Sluice-Request-Id:\r\nSLUICE-REQUEST-ID: 2"), ours},
		{"an encoding", field("Content-Encoding: gzip"), ours},
		{"harmless fields", field("Accept: */*\r\nAccept-Encoding: gzip\r\nTraceparent: 00-1-2-01\r\nX-Scope-OrgID: a\r\nOrigin: http://x\r\nX:"), ours},
		{"UTF-8 in a value", field("X: \u00fc"), ours},
		{"an address of IPv6", with("centre:4318", "[::1]:4318"), ours},
		{"no body", with("17", "0"), ours},
		{"leading zeros", with("17", "0017"), ours},

		{"nothing yet", "", more},
		{"half a method", "PO", more},
		{"half a line", plainHead[:12], more},
		{"a line", plainHead[:24], more},
		{"half of the end", plainHead[:len(plainHead)-1], more},

		{"another method", with("POST", "GET"), foreign},
		{"another method, half", "OPT", foreign},
		{"a small method", with("POST", "post"), foreign},
		{"HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", foreign},
		{"TLS", "\x16\x03\x01\x02\x00", foreign},
		{"an empty line first", "\r\n" + plainHead, foreign},
		{"HTTP/1.0", with("HTTP/1.1", "HTTP/1.0"), foreign},
		{"HTTP/1.10", with("HTTP/1.1", "HTTP/1.10"), foreign},
		{"no version", with(" HTTP/1.1", ""), foreign},
		{"no path", with("/v1/logs ", ""), foreign},
		{"two spaces", with("POST ", "POST  "), foreign},
		{"a tab", with(" HTTP", "\tHTTP"), foreign},
		{"a query", with("/v1/logs", "/v1/logs?a=b"), foreign},
		{"an escape", with("/v1/logs", "/v1/log%73"), foreign},
		{"a whole URL", with("/v1/logs", "http://x/v1/logs"), foreign},
		{"a request line that is wrong, and no more", "POST /x FTP/1\r\n", foreign},
		{"no Host", with("Host: centre:4318\r\n", ""), foreign},
		{"an empty Host", with("centre:4318", ""), foreign},
		{"two Hosts", field("Host: x"), foreign},
		{"a strange Host", with("centre:4318", "a/b"), foreign},
		{"no Content-Type", with("Content-Type: application/x-protobuf\r\n", ""), foreign},
		{"two Content-Types", field("Content-Type: application/json"), foreign},
		{"two encodings", field("Content-Encoding: gzip\r\nContent-Encoding: gzip"), foreign},
		{"no length", with("Content-Length: 17\r\n", ""), foreign},
		{"the same length twice", field("Content-Length: 17"), foreign},
		{"two lengths", field("Content-Length: 18"), foreign},
		{"a list of lengths", with("17", "17, 17"), foreign},
		{"a signed length", with("17", "+17"), foreign},
		{"a negative length", with("17", "-1"), foreign},
		{"a length in hex", with("17", "0x11"), foreign},
		{"an empty length", with("17", ""), foreign},
		{"a length beyond all numbers", with("17", strings.Repeat("9", 40)), foreign},
		{"a long body", with("17", "262145"), foreign},
		{"chunks", field("Transfer-Encoding: chunked"), foreign},
		{"chunks in place of a length", with("Content-Length: 17", "transfer-encoding: Chunked"), foreign},
		{"identity as a transfer", field("Transfer-Encoding: identity"), foreign},
		{"space before the colon", field("Transfer-Encoding : chunked"), foreign},
		{"a tab before the colon", field("Content-Length\t: 17"), foreign},
		{"an expectation", field("Expect: 100-continue"), foreign},
		{"an upgrade", field("Upgrade: h2c"), foreign},
		{"trailers", field("Trailer: x"), foreign},
		{"Connection: close", field("Connection: close"), foreign},
		{"Connection with a field", field("Connection: keep-alive, Content-Length"), foreign},
		{"a folded line", field("X: a\r\n b"), foreign},
		{"a first line that is folded", with("Host:", " X: a\r\nHost:"), foreign},
		{"no colon", field("X"), foreign},
		{"no name", field(": x"), foreign},
		{"NUL in a value", field("X: a\x00b"), foreign},
		{"NUL in a name", field("X\x00: a"), foreign},
		{"CR in a value", field("X: a\rb"), foreign},
		{"LF in a value", field("X: a\nTransfer-Encoding: chunked"), foreign},
		{"lines that end in LF", strings.ReplaceAll(plainHead, "\r\n", "\n"), foreign},
		{"an end that is LF", plainHead[:len(plainHead)-2] + "\n", foreign},
		{"the largest head", field("X: " + strings.Repeat("x", maxHead-len(plainHead)-5)), ours},
		{"a larger head", field("X: " + strings.Repeat("x", maxHead-len(plainHead)-4)), foreign},
		{"a head without an end", field("X: " + strings.Repeat("x", maxHead))[:maxHead], foreign},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, []byte(c.head), c.want)
		})
	}
}

// check holds what is read of b against net/http: what is ours it reads alike, and what is not complete to us is not
// complete to it.
func check(t *testing.T, b []byte, want verdict) {
	t.Helper()
	h, n, v := parse(b)
	if want >= 0 && v != want {
		t.Fatalf("%q is %d, want %d", b, v, want)
	}
	r := bufio.NewReaderSize(bytes.NewReader(b), len(b)+16)
	req, err := http.ReadRequest(r)
	switch {
	case v == more && err == nil:
		t.Fatalf("net/http would serve %q, and we wait for more", b)
	case v != ours:
		return
	case err != nil:
		t.Fatalf("net/http refuses %q: %v", b, err)
	}
	rest, _ := io.ReadAll(r)
	if len(b)-len(rest) != n {
		t.Errorf("a head of %d bytes, net/http says %d", n, len(b)-len(rest))
	}
	if req.Method != "POST" || req.URL.Path != string(h.Path) || req.URL.RawQuery != "" || req.Proto != "HTTP/1.1" || req.Host == "" {
		t.Errorf("%q: net/http reads %s %v %s", b, req.Method, req.URL, req.Proto)
	}
	if req.ContentLength != int64(h.Length) || len(req.TransferEncoding) > 0 || req.Close || len(req.Trailer) > 0 {
		t.Errorf("%q: length %d, net/http reads %d %v close %v", b, h.Length, req.ContentLength, req.TransferEncoding, req.Close)
	}
	if req.Header.Get("Content-Type") != string(h.Type) || req.Header.Get("Content-Encoding") != string(h.Encoding) || req.Header.Get("Sluice-Request-Id") != string(h.RequestID) || req.Header.Get("Expect") != "" || req.Header.Get("Upgrade") != "" {
		t.Errorf("%q: %q %q, net/http reads %v", b, h.Type, h.Encoding, req.Header)
	}
}

// FuzzHead: nothing is ours that net/http reads in another way, or waits for.
func FuzzHead(f *testing.F) {
	f.Add([]byte(plainHead))
	f.Add([]byte(strings.Replace(plainHead, "Host", "Content-Encoding: gzip\r\nConnection: keep-alive\r\nTransfer-Encoding: x\r\nHost", 1)))
	f.Add([]byte("POST / HTTP/1.1\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) { check(t, b, -1) })
}

func BenchmarkHead(b *testing.B) {
	head := []byte(plainHead)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, v := parse(head); v != ours {
			b.Fatal(v)
		}
	}
}
