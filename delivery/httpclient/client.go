// Package httpclient is shared by the HTTP exporters.
package httpclient

import (
	"cmp"
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
	"go.opentelemetry.io/collector/config/configopaque"

	"github.com/sluiceio/sluice/delivery/answer"
	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/delivery/payload"
	"github.com/sluiceio/sluice/pipeline"
)

// maxAnswer bounds what is read of a body. Some destinations list every rejected record.
const maxAnswer = 1 << 20

// maxWords limits the wait for the body of an error: a server that answers before it has read the request may
// deadlock with an HTTP/2 client that no longer sends.
const maxWords = time.Second

const maxRedirects = 3

// A Client posts payloads. It is confighttp's client without compression, headers and instrumentation: bodies are
// already compressed, and have a Content-Length.
type Client struct {
	client *http.Client
	header http.Header
	host   string // overrides the Host header; empty for none
	auth   *credential.Credential
	redact *credential.Redactor
}

// A Response is an answer judged by its status. The exporter reads a partial success from the body.
type Response struct {
	answer.Outcome
	Header http.Header
	Body   []byte

	broken *answer.Outcome // of a success whose body broke off
}

// New makes a client. It fails if certificates or secrets do not load.
func New(s pipeline.Settings, cfg *Config, p Protocol) (*Client, error) {
	auth, err := credential.New(s.Log, cfg.Credentials)
	if err != nil {
		return nil, err
	}
	h := &Client{auth: auth, header: http.Header{}, redact: credential.NewRedactor(auth, cfg.Headers)}
	h.header.Set("User-Agent", "sluice/"+s.Version)
	h.header.Set("Content-Type", cmp.Or(p.ContentType, "application/x-protobuf"))
	if p.Encoding != "" {
		h.header.Set("Content-Encoding", p.Encoding)
	}
	for k, v := range p.Header {
		h.header.Set(k, v)
	}
	h.configured(cfg.Headers)
	c := cfg.ClientConfig
	c.Headers, c.Compression, c.Timeout = nil, "", 0
	if c.MaxIdleConnsPerHost == 0 {
		c.MaxIdleConnsPerHost = max(cfg.Places(), http.DefaultMaxIdleConnsPerHost)
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

func (h *Client) configured(headers configopaque.MapList) {
	for name, value := range headers.Iter {
		if http.CanonicalHeaderKey(name) == "Host" {
			h.host = string(value)
			continue
		}
		h.header.Set(name, string(value))
	}
}

// sameHost follows a redirect only with the same method, scheme and host, so that credentials and telemetry go
// nowhere else. Otherwise the redirect is the answer, a configuration error.
func sameHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || req.Method != first.Method || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return http.ErrUseLastResponse
	}
	return nil
}

// Post sends the payload once and judges the answer by its status: a success needs no body. extra are header names and values
// for this request.
func (h *Client) Post(ctx context.Context, to *url.URL, p *payload.Payload, extra ...string) Response {
	r := h.post(ctx, to, p, maxWords, extra...)
	r.broken = nil
	return r
}

// post waits for the body of a success so long; 0 for as long as ctx.
func (h *Client) post(ctx context.Context, to *url.URL, p *payload.Payload, patience time.Duration, extra ...string) Response {
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
		// The transport repeats only what a server provably did not process.
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
		return Response{Outcome: h.unanswered(err, ctx.Err())}
	}
	defer resp.Body.Close()
	attempt := ctx // without the cancellation by patience
	if resp.StatusCode >= 300 {
		patience = maxWords
	}
	if patience > 0 {
		defer time.AfterFunc(patience, cancel).Stop()
	}
	// Read to the end, or the connection is not reused.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if len(body) == maxAnswer {
		_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		h.auth.Refused()
	}
	r := Response{Outcome: h.judge(resp, body), Header: resp.Header, Body: body}
	if err != nil && resp.StatusCode < 300 {
		out := h.unanswered(fmt.Errorf("it said that it took the request, but its answer broke off: %w", err), attempt.Err())
		out.Said = true
		r.broken = &out
	}
	return r
}

// PostOTLP is Post to an OTLP endpoint, with the ID of the request; it reads a partial success.
func (h *Client) PostOTLP(ctx context.Context, to *url.URL, p *payload.Payload) answer.Outcome {
	r := h.post(ctx, to, p, 0, payload.IDHeader, p.ID())
	if r.broken != nil {
		return *r.broken // it may have lost a partial success
	}
	if r.Verdict == answer.Taken {
		r.PartialHTTP(r.Header.Get("Content-Type"), r.Body, h.Redact)
	}
	return r.Outcome
}

func (h *Client) judge(resp *http.Response, body []byte) answer.Outcome {
	status := resp.StatusCode
	verdict, reason := answer.JudgeHTTP(status)
	out := answer.Outcome{Verdict: verdict, Reason: reason, Code: answer.HTTPCode(status)}
	switch verdict {
	case answer.Taken:
		return out
	case answer.Retry:
		out.After = answer.RetryAfter(resp.Header, time.Now())
		out.Overload = status == http.StatusTooManyRequests
		out.Unsure = status >= 500
	case answer.Rejected:
		if reason == pipeline.DropRejected {
			out.Reason = answer.ReasonIn(string(body))
		}
	}
	out.Err = answer.WithWords(fmt.Errorf("the destination answered %d %s%s", status, http.StatusText(status), h.words(resp, body)), string(body))
	return out
}

// Redact sanitises the destination's message for an error.
func (h *Client) Redact(text string) string { return h.redact.Text(text) }

func (h *Client) words(resp *http.Response, body []byte) string {
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return "; it redirects to another host or method, which is not followed: write the final address"
	}
	text := string(body)
	if resp.Header.Get("Content-Type") == "application/x-protobuf" {
		text = answer.StatusMessage(body)
	}
	if text = h.Redact(text); text == "" {
		return ""
	}
	return ": " + text
}

// unanswered judges a request without an answer. It is sent again, so duplicates are possible.
func (h *Client) unanswered(err, ended error) answer.Outcome {
	out := answer.Outcome{Verdict: answer.Retry, Code: answer.CodeError, Unsure: true}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		out.Unsure = false
	}
	var u *url.Error
	if errors.As(err, &u) { // it repeats the URL, and with it what a user may have put into the query
		err = u.Err
	}
	if errors.Is(ended, context.DeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		out.Code = answer.CodeTimeout
		out.Err = answer.ErrTimeout
		return out
	}
	out.Err = fmt.Errorf("cannot reach the destination: %w", h.redact.Error(err))
	return out
}

// Close closes idle connections.
func (h *Client) Close() { h.client.CloseIdleConnections() }
