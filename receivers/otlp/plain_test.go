package otlp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// twoDoors starts the receiver twice: as it is by default, and with net/http alone.
func twoDoors(t testing.TB, sink pipeline.Sink, change func(*Config, *pipeline.Settings)) (ours, theirs *server) {
	alone := func(c *Config, s *pipeline.Settings) {
		if change != nil {
			change(c, s)
		}
		c.Protocols.HTTP.Get().ReadTimeout = time.Hour
	}
	ours, theirs = start(t, sink, change), start(t, sink, alone)
	if doorOf(ours).cfg.ReadTimeout != 0 || !doorOf(ours).plain() || doorOf(theirs).plain() {
		t.Fatal("the doors are not what they should be")
	}
	return ours, theirs
}

func doorOf(s *server) *httpServer { return s.receiver.listeners[1].(*httpServer) }

// exchangeRaw sends bytes and returns the answers: status line, sorted header without the value of Date, body. It omits the
// last answer's connection state: the client has closed it.
func exchangeRaw(t testing.TB, s *server, raw []byte) string {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.http, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	go func() {
		c.Write(raw)
		c.(*net.TCPConn).CloseWrite()
	}()
	text, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "connection reset") {
		t.Errorf("%.100q: %v", raw, err)
	}
	var out []string
	r := bufio.NewReader(bytes.NewReader(text))
	for {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if n := len(out); n > 0 {
				out[n-1] = strings.Replace(out[n-1], " close true ", " close false ", 1)
			}
			rest, _ := io.ReadAll(r)
			return strings.Join(append(out, string(rest)), "\n")
		}
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("%.100q: %v", raw, err)
		}
		_, dateErr := http.ParseTime(res.Header.Get("Date")) // net/http's own answers may have none
		header := []string{fmt.Sprint("dated ", dateErr == nil)}
		for name, values := range res.Header {
			if name != "Date" {
				header = append(header, fmt.Sprint(name, values))
			}
		}
		slices.Sort(header)
		out = append(out, fmt.Sprintf("%s %s %v length %d close %v %q", res.Proto, res.Status, header, res.ContentLength, res.Close, body))
	}
}

func rawPost(fields string, body []byte) []byte {
	return fmt.Appendf(nil, "POST /v1/logs HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s", fields, len(body), body)
}

// rawRequests are what a client might send, well or badly.
func rawRequests(t testing.TB) map[string][]byte {
	const proto, inJSON = "Content-Type: " + typeProtobuf + "\r\n", "Content-Type: application/json; charset=utf-8\r\n"
	body := encoded(t, requests()[wire.Logs])
	text, err := requests()[wire.Logs].MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	large := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(1500)))
	huge := encoded(t, plogotlp.NewExportRequestFromLogs(sampleLogs(6000)))
	swap := func(old, new string) []byte {
		return bytes.Replace(rawPost(proto, body), []byte(old), []byte(new), 1)
	}
	var deflated bytes.Buffer
	z := zlib.NewWriter(&deflated)
	z.Write(body)
	z.Close()
	zip := func(s string, b []byte) []byte { return compress(t, s, b) }
	out := map[string][]byte{
		"protobuf":             rawPost(proto, body),
		"JSON":                 rawPost(inJSON, text),
		"gzip":                 rawPost(proto+"Content-Encoding: gzip\r\n", zip("gzip", body)),
		"GZIP":                 rawPost(inJSON+"content-encoding: GZIP\r\n", zip("gzip", text)),
		"zstd":                 rawPost(proto+"Content-Encoding: zstd\r\n", zip("zstd", large)),
		"no gzip":              rawPost(proto+"Content-Encoding: gzip\r\n", body),
		"a gzip that ends":     rawPost(proto+"Content-Encoding: gzip\r\n", zip("gzip", body)[:40]),
		"no zstd":              rawPost(inJSON+"Content-Encoding: zstd\r\n", body),
		"a bomb":               rawPost(proto+"Content-Encoding: zstd\r\n", zip("zstd", make([]byte, 4<<20))),
		"a bomb of gzip":       rawPost(proto+"Content-Encoding: gzip\r\n", zip("gzip", make([]byte, 4<<20))),
		"zlib":                 rawPost(proto+"Content-Encoding: zlib\r\n", deflated.Bytes()),
		"deflate, half":        rawPost(proto+"Content-Encoding: deflate\r\n", deflated.Bytes()[:50]),
		"no zlib":              rawPost(proto+"Content-Encoding: zlib\r\n", body),
		"snappy":               rawPost(proto+"Content-Encoding: snappy\r\n", snappy.Encode(nil, body)),
		"no snappy":            rawPost(proto+"Content-Encoding: snappy\r\n", body),
		"no framed snappy":     rawPost(proto+"Content-Encoding: x-snappy-framed\r\n", body),
		"no lz4":               rawPost(proto+"Content-Encoding: lz4\r\n", body),
		"identity":             rawPost(proto+"Content-Encoding: identity\r\n", body),
		"br":                   rawPost(proto+"Content-Encoding: br\r\n", body),
		"no type":              rawPost("", body),
		"two types":            rawPost(proto+inJSON, body),
		"another type":         rawPost("Content-Type: text/plain\r\n", body),
		"no OTLP":              rawPost(proto, []byte("hello")),
		"no JSON":              rawPost(inJSON, []byte("{]")),
		"an error in JSON":     rawPost(inJSON, []byte(`{"a<b>":"`+strings.Repeat("x", 3000)+`"}{}`)),
		"nothing":              rawPost(proto, nil),
		"nothing in JSON":      rawPost(inJSON, nil),
		"nothing in gzip":      rawPost(proto+"Content-Encoding: gzip\r\n", nil),
		"large":                rawPost(proto, large),
		"huge":                 rawPost(proto, huge),
		"too large":            rawPost(proto, make([]byte, 3<<20)),
		"too large, announced": swap("Content-Length: ", "Content-Length: 9999"),
		"traces":               swap("logs", "traces"),
		"metrics":              swap("logs", "metrics"),
		"another path":         swap("logs", "profiles"),
		"a query":              swap("logs", "logs?x=1"),
		"an escaped path":      swap("logs", "log%73"),
		"GET":                  []byte("GET /v1/logs HTTP/1.1\r\nHost: x\r\n\r\n"),
		"OPTIONS":              []byte("OPTIONS /v1/logs HTTP/1.1\r\nHost: x\r\nOrigin: http://y\r\nAccess-Control-Request-Method: POST\r\n\r\n"),
		"an origin":            rawPost(proto+"Origin: http://y\r\n", body),
		"HTTP/1.0":             swap("HTTP/1.1", "HTTP/1.0"),
		"close":                rawPost(proto+"Connection: close\r\n", body),
		"keep-alive":           rawPost(proto+"Connection: keep-alive\r\n", body),
		"an expectation":       rawPost(proto+"Expect: 100-continue\r\n", body),
		"another expectation":  rawPost(proto+"Expect: tea\r\n", body),
		"chunks":               fmt.Appendf(nil, "POST /v1/logs HTTP/1.1\r\nHost: x\r\n%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", proto, len(body), body),
		"chunks and a length":  rawPost(proto+"Transfer-Encoding: chunked\r\n", []byte("0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")),
		"two lengths":          rawPost(proto+"Content-Length: 3\r\n", body),
		"one length twice":     rawPost(proto+fmt.Sprintf("Content-Length: %d\r\n", len(body)), body),
		"a space before colon": swap("Host:", "Host :"),
		"a folded line":        rawPost(proto+"X: a\r\n b\r\n", body),
		"a bare LF":            rawPost(proto+"X: a\nTransfer-Encoding: chunked\r\n", body),
		"LF only":              bytes.ReplaceAll(rawPost(proto, []byte("x")), []byte("\r\n"), []byte("\n")),
		"NUL":                  rawPost(proto+"X: a\x00\r\n", body),
		"no Host":              swap("Host: x\r\n", ""),
		"two Hosts":            rawPost(proto+"Host: y\r\n", body),
		"an upgrade":           rawPost(proto+"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", body),
		"HTTP/2":               []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
		"TLS":                  []byte("\x16\x03\x01\x00\x05hello"),
		"garbage":              []byte("POST\x00\x01\r\n\r\n"),
		"a large head":         rawPost(proto+"X: "+strings.Repeat("x", 20_000)+"\r\n", body),
		"half a head":          rawPost(proto, body)[:40],
		"half a body":          rawPost(proto, body)[:200],
		"half of JSON":         rawPost(inJSON, text)[:200],
		"half of gzip":         rawPost(proto+"Content-Encoding: gzip\r\n", zip("gzip", body))[:180],
		"half of zstd":         rawPost(proto+"Content-Encoding: zstd\r\n", zip("zstd", body))[:180],
	}
	return out
}

// TestBothDoorsAnswerAlike: whatever is sent, the server of plain requests and net/http alone answer the same, to it and to
// what follows on the connection.
func TestBothDoorsAnswerAlike(t *testing.T) {
	overload := pipeline.Refuse(1500*time.Millisecond, errors.New("slow down"))
	overload.Overload = true
	for name, answer := range map[string]error{
		"safe": nil, "refused": pipeline.Refuse(3*time.Second, errors.New("away")), "overload": overload, "an error": errors.New("something"),
		"rejected": pipeline.Reject(10, pipeline.DropRejected, errors.New("never")), "some rejected": pipeline.Reject(4, pipeline.DropTooOld, errors.New("four")),
		"a long story": pipeline.Refuse(0, errors.New(strings.Repeat("long ", 1000))),
	} {
		t.Run(name, func(t *testing.T) {
			sink := pipeline.SinkFunc(func(context.Context, pipeline.Batch) error { return answer })
			ours, theirs := twoDoors(t, sink, func(c *Config, _ *pipeline.Settings) { c.Protocols.HTTP.Get().MaxRequestBodySize = 2 << 20 })
			all := rawRequests(t)
			for name, raw := range all {
				if answer != nil && name != "protobuf" && name != "JSON" {
					continue
				}
				for _, behind := range []string{"", "protobuf", "chunks"} {
					raw := append(slices.Clone(raw), all[behind]...)
					if behind == "chunks" {
						raw = bytes.Replace(raw, all[behind], append([]byte("\r\n"), all[behind]...), 1) // as old clients do
					}
					want, got := exchangeRaw(t, theirs, raw), exchangeRaw(t, ours, raw)
					if got != want {
						t.Errorf("%s, %s behind it: answered\n%s\nwant\n%s", name, behind, got, want)
					}
				}
			}
		})
	}
}

// TestBothDoorsAnswerAlikeWithoutRoom, and without a pipeline.
func TestBothDoorsAnswerAlikeWithoutRoom(t *testing.T) {
	full := func(_ *Config, s *pipeline.Settings) {
		s.Budget = pipeline.NewBudget(100 << 10)
		s.Budget.SetPressure(true)
	}
	ours, theirs := twoDoors(t, &pipelinetest.Counter{}, full)
	all := rawRequests(t)
	for _, name := range []string{"protobuf", "JSON", "large", "gzip", "zstd"} {
		raw := append(slices.Clone(all[name]), all["GET"]...)
		if want, got := exchangeRaw(t, theirs, raw), exchangeRaw(t, ours, raw); got != want || !strings.Contains(got, " 503 ") {
			t.Errorf("%s: answered\n%s\nwant\n%s", name, got, want)
		}
	}
}

// FuzzDoors is TestBothDoorsAnswerAlike for any bytes.
func FuzzDoors(f *testing.F) {
	for name, raw := range rawRequests(f) {
		if len(raw) < 4096 && name != "TLS" {
			f.Add(raw)
		}
	}
	ours, theirs := twoDoors(f, &pipelinetest.Counter{}, nil)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if want, got := exchangeRaw(t, theirs, raw), exchangeRaw(t, ours, raw); got != want {
			t.Errorf("%q: answered\n%s\nwant\n%s", raw, got, want)
		}
	})
}

// TestPlainRequestsAreOurs: it is not net/http that answers them.
func TestPlainRequestsAreOurs(t *testing.T) {
	srv := start(t, &pipelinetest.Counter{}, nil)
	var theirs atomic.Int32
	h := doorOf(srv)
	for path, serve := range h.routes {
		h.routes[path] = func(w http.ResponseWriter, r *http.Request) {
			theirs.Add(1)
			serve(w, r)
		}
	}
	all := rawRequests(t)
	for _, name := range []string{"protobuf", "JSON", "gzip", "GZIP", "zstd", "large", "keep-alive", "no OTLP", "an origin"} {
		if exchangeRaw(t, srv, all[name]); theirs.Swap(0) != 0 {
			t.Errorf("%s was served by net/http", name)
		}
	}
	if exchangeRaw(t, srv, all["chunks"]); theirs.Load() != 1 {
		t.Error("chunks were not served by net/http")
	}
}

// TestAClientThatLeaves withdraws its request, over either door.
func TestAClientThatLeaves(t *testing.T) {
	inside, left := make(chan struct{}), make(chan struct{})
	sink := pipeline.SinkFunc(func(ctx context.Context, _ pipeline.Batch) error {
		inside <- struct{}{}
		<-ctx.Done()
		left <- struct{}{}
		return pipeline.Withdrawn(ctx)
	})
	ours, theirs := twoDoors(t, sink, func(c *Config, _ *pipeline.Settings) { c.RequestTimeout = time.Minute })
	for _, s := range []*server{ours, theirs} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.http, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		c.Write(rawRequests(t)["protobuf"])
		<-inside
		c.Close()
		select {
		case <-left:
		case <-time.After(5 * time.Second):
			t.Fatal("the request is still inside")
		}
	}
}
