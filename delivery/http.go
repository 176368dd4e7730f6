package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/sluiceio/sluice/pipeline"
)

// maxAnswer bounds what is read of an answer's body. A partial success is a few hundred bytes.
const maxAnswer = 64 << 10

// maxWords is how long an answer that is no success may take to say why. Its status is known, and a server that answers
// before it has read the request may wait for bytes that an HTTP/2 client no longer sends, while that waits for it.
const maxWords = time.Second

// maxRedirects is how many redirects within the same host are followed.
const maxRedirects = 3

// HTTPOptions describe how an exporter speaks HTTP.
type HTTPOptions struct {
	Client      confighttp.ClientConfig // keys, TLS, proxy, connections; its compression is not used
	Auth        AuthConfig
	ContentType string
	Encoding    string            // Content-Encoding; empty for none
	Header      map[string]string // the protocol's own headers; the configured ones come after and win
	MaxInFlight int               // so many idle connections are kept unless max_idle_conns_per_host is set
}

// HTTP posts payloads. It is confighttp's client without its compression, headers and instrumentation: a body is
// compressed once before, and has a Content-Length.
type HTTP struct {
	client  *http.Client
	header  http.Header
	host    string // overrides the Host header; empty for none
	auth    *Credential
	secrets []string
}

// An Answer is what came back, or why nothing did.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	err    error // no answer
	ctx    error // the attempt's context at that time
}

// NewHTTP makes a client. It fails on what cannot be seen in a file: certificates and secrets that do not load.
func NewHTTP(s pipeline.Settings, o HTTPOptions) (*HTTP, error) {
	auth, err := NewCredential(s.Log, o.Auth)
	if err != nil {
		return nil, err
	}
	h := &HTTP{auth: auth, header: http.Header{}}
	h.header.Set("User-Agent", "sluice/"+s.Version)
	h.header.Set("Content-Type", o.ContentType)
	if o.Encoding != "" {
		h.header.Set("Content-Encoding", o.Encoding)
	}
	for k, v := range o.Header {
		h.header.Set(k, v)
	}
	h.configured(o.Client.Headers)
	c := o.Client
	c.Headers, c.Compression, c.Timeout = nil, "", 0
	if c.MaxIdleConnsPerHost == 0 {
		c.MaxIdleConnsPerHost = max(o.MaxInFlight, http.DefaultMaxIdleConnsPerHost)
	}
	if h.client, err = c.ToClient(context.Background(), nil, component.TelemetrySettings{}); err != nil {
		return nil, fmt.Errorf("cannot make the HTTP client: %w", err)
	}
	h.client.CheckRedirect = sameHost
	if t, ok := h.client.Transport.(*http.Transport); ok {
		chunks := &sync.Pool{New: func() any { return new([bodyChunk]byte) }}
		t.DialContext = wideDialer{t.DialContext, chunks}.DialContext
	}
	return h, nil
}

// configured takes over the headers of the configuration, whose values are secrets.
func (h *HTTP) configured(headers configopaque.MapList) {
	for name, value := range headers.Iter {
		h.secrets = append(h.secrets, string(value))
		if http.CanonicalHeaderKey(name) == "Host" {
			h.host = string(value)
			continue
		}
		h.header.Set(name, string(value))
	}
}

// sameHost follows a redirect only where it keeps method, scheme and host: credentials and telemetry go nowhere that
// the configuration does not name. Otherwise the redirect itself is the answer, which is a configuration error.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Post sends the payload once and reads the answer. extra are names and values of headers for this request alone.
func (h *HTTP) Post(ctx context.Context, to *url.URL, p *Payload, extra ...string) Answer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req := (&http.Request{
		Method: http.MethodPost, URL: to, Host: to.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h.header.Clone(), Body: http.NoBody, ContentLength: int64(p.Len()),
	}).WithContext(ctx)
	if h.host != "" {
		req.Host = h.host
	}
	if p.Len() > 0 {
		req.Body = p.Reader()
		// The transport sends again by itself only what a server provably did not process.
		req.GetBody = func() (io.ReadCloser, error) { return p.Reader(), nil }
	}
	for i := 0; i+1 < len(extra); i += 2 {
		req.Header.Set(extra[i], extra[i+1])
	}
	if v := h.auth.Header(); v != "" {
		req.Header.Set("Authorization", v)
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return Answer{err: err, ctx: ctx.Err()}
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		defer time.AfterFunc(maxWords, cancel).Stop()
	}
	// Read to the end, or the connection is not used again. An answer that stops in the middle keeps its status.
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if len(body) == maxAnswer {
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		h.auth.Refused()
	}
	return Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}
}

// Outcome judges an answer by its status. What else a success says (a partial success) is the exporter's to read.
func (h *HTTP) Outcome(a Answer) Outcome {
	if a.err != nil {
		return h.unanswered(a)
	}
	verdict, reason := JudgeHTTP(a.Status)
	out := Outcome{Verdict: verdict, Reason: reason, Code: HTTPCode(a.Status)}
	switch verdict {
	case Taken:
		return out
	case Retry:
		out.After = retryAfter(a.Header, time.Now())
		out.Overload = a.Status == http.StatusTooManyRequests
		out.Unsure = a.Status >= 500
	case Rejected:
		if reason == pipeline.DropRejected {
			out.Reason = ReasonIn(string(a.Body))
		}
	}
	out.Err = fmt.Errorf("the destination answered %d %s%s", a.Status, http.StatusText(a.Status), h.words(a))
	return out
}

// Excerpt cuts a destination's words to what may stand in an error.
func (h *HTTP) Excerpt(text string) string {
	return Excerpt(text, append(h.auth.Secrets(), h.secrets...))
}

// words is what the destination said about an error, introduced by a colon; empty if it said nothing readable.
func (h *HTTP) words(a Answer) string {
	text := string(a.Body)
	switch a.Header.Get("Content-Type") {
	case "application/x-protobuf":
		text = statusMessage(a.Body)
	}
	if a.Status >= 300 && a.Status < 400 {
		return "; it redirects to another host or method, which is not followed: write the final address"
	}
	if text = h.Excerpt(text); text == "" {
		return ""
	}
	return ": " + text
}

// unanswered judges a request without an answer. Whether the destination has it is not known; it is sent again, and a
// duplicate is possible.
func (h *HTTP) unanswered(a Answer) Outcome {
	out := Outcome{Verdict: Retry, Code: CodeError, Unsure: true}
	err := a.err
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		out.Unsure = false
	}
	var u *url.Error
	if errors.As(err, &u) { // it repeats the URL, and with it what a user may have put into the query
		err = u.Err
	}
	if errors.Is(a.ctx, context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		out.Code = CodeTimeout
		out.Err = ErrTimeout
		return out
	}
	out.Err = fmt.Errorf("cannot reach the destination: %w", redacted{err, h})
	return out
}

// redacted is an error whose text is cut like a destination's words; errors.Is still sees through it.
type redacted struct {
	err error
	h   *HTTP
}

func (r redacted) Error() string { return r.h.Excerpt(r.err.Error()) }
func (r redacted) Unwrap() error { return r.err }

// Close gives up idle connections.
func (h *HTTP) Close() { h.client.CloseIdleConnections() }

// statusMessage reads the message of a google.rpc.Status, which is what OTLP answers carry with an error.
func statusMessage(body []byte) string {
	for pos := 0; pos < len(body); {
		f, next, ok := readField(body, pos)
		if !ok {
			return ""
		}
		if f.number == 2 && f.wiretype == 2 {
			return string(f.bytes)
		}
		pos = next
	}
	return ""
}
