package grpcserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
)

const (
	headerTable      = 4 << 10  // HTTP/2's default
	maxHeaderList    = 16 << 10 // size of a call's header as HTTP/2 counts it
	maxHeaderBlock   = 64 << 10 // encoded size; more ends the connection
	maxContinuations = 16       // per header block: empty frames cost us more than the sender
)

type head struct {
	id            uint32
	open          bool // only CONTINUATION of this stream may follow
	ended         bool // no message follows
	encoded, size int  // bytes
	continuations int

	method, path, contentType, encoding, timeout, requestID string

	metadata []hpack.HeaderField // of Options.Metadata

	regular   bool // a regular field was seen
	malformed bool // RFC 9113, 8.2 and 8.3: a proxy in front may read it differently
}

func (c *conn) field(f hpack.HeaderField) {
	h := &c.head
	h.size += int(f.Size())
	if h.size > maxHeaderList {
		c.fields.SetEmitEnabled(false) // the table must stay in sync
		return
	}
	if pseudo := strings.HasPrefix(f.Name, ":"); !pseudo {
		h.regular = true
	} else if h.regular {
		h.malformed = true
	}
	if slices.Contains(c.srv.opt.Metadata, f.Name) {
		h.metadata = append(h.metadata, f)
	}
	switch f.Name {
	case ":method":
		h.malformed = h.malformed || h.method != ""
		h.method = f.Value
	case ":path":
		h.malformed = h.malformed || h.path != ""
		h.path = f.Value
	case ":scheme", ":authority":
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		h.malformed = true
	case "content-type":
		h.contentType = f.Value
	case "grpc-encoding":
		h.encoding = f.Value
	case "grpc-timeout":
		h.timeout = f.Value
	case "sluice-request-id":
		h.requestID = f.Value
	default:
		h.malformed = h.malformed || f.Name == "" || f.Name[0] == ':' || f.Name != strings.ToLower(f.Name)
	}
}

func (c *conn) headers(h frameHeader) error {
	if h.id%2 == 0 {
		return violation("HEADERS of a stream that a client cannot open")
	}
	rest, pad, err := c.padding(h, http2.FlagHeadersPadded)
	if err != nil {
		return err
	}
	if h.flags.Has(http2.FlagHeadersPriority) {
		if rest < 5 {
			return violation("a priority that ends early")
		}
		if err := c.in.Discard(5); err != nil {
			return err
		}
		rest -= 5
	}
	if pad > rest {
		return violation("more padding than frame")
	}
	c.head = head{id: h.id, open: true, ended: h.flags.Has(http2.FlagHeadersEndStream)}
	if err := c.block(rest - pad); err != nil {
		return err
	}
	if err := c.in.Discard(pad); err != nil {
		return err
	}
	return c.blockEnd(h)
}

func (c *conn) continuation(h frameHeader) error {
	if !c.head.open {
		return violation("CONTINUATION without HEADERS")
	}
	if c.head.continuations++; c.head.continuations > maxContinuations {
		return connError{http2.ErrCodeEnhanceYourCalm, "too many CONTINUATION frames"}
	}
	if err := c.block(h.length); err != nil {
		return err
	}
	return c.blockEnd(h)
}

func (c *conn) block(n int) error {
	if c.head.encoded += n; c.head.encoded > maxHeaderBlock {
		return connError{http2.ErrCodeEnhanceYourCalm, "the header is too large"}
	}
	for n > 0 {
		b, err := c.in.Some(n)
		if err != nil {
			return err
		}
		if _, err := c.fields.Write(b); err != nil {
			return connError{http2.ErrCodeCompression, "cannot decode a header: " + err.Error()}
		}
		c.in.Take(len(b))
		n -= len(b)
	}
	return nil
}

func (c *conn) blockEnd(h frameHeader) error {
	if !h.flags.Has(http2.FlagHeadersEndHeaders) {
		return nil
	}
	c.head.open = false
	c.fields.SetEmitEnabled(true)
	if err := c.fields.Close(); err != nil {
		return connError{http2.ErrCodeCompression, "cannot decode a header: " + err.Error()}
	}
	if c.head.id <= c.maxID {
		return c.trailer()
	}
	c.maxID = c.head.id
	c.begin()
	return nil
}

func (c *conn) begin() {
	h := &c.head
	if h.method == "" || h.path == "" || h.malformed {
		c.write(appendReset(c.out[:0], h.id, http2.ErrCodeProtocol))
		return
	}
	if h.size > maxHeaderList {
		c.answerAtOnce(h.id, h.ended, appendField(nil, ":status", "431"))
		return
	}
	if h.method != "POST" {
		c.answerAtOnce(h.id, h.ended, appendField(appendField(nil, ":status", "405"), "allow", "POST"))
		return
	}
	if !isGRPC(h.contentType) {
		fields := appendField(nil, ":status", "415")
		c.answerAtOnce(h.id, h.ended, appendStatus(fields, &Status{
			Code: codes.Unknown, Message: fmt.Sprintf("unknown content-type %q; use application/grpc", Shorten(h.contentType)),
		}))
		return
	}
	st, refused := c.newStream(h)
	if refused == nil && h.ended {
		refused = errNoMessage
	}
	if refused != nil {
		c.answerAtOnce(h.id, h.ended, c.trailersOnly(refused))
		return
	}
	c.mu.Lock()
	full := c.leaving || c.busy >= c.srv.opt.MaxStreams
	if !full {
		st.sendWindow = c.firstSend
		c.streams[st.id] = st
		c.busy++
	}
	c.mu.Unlock()
	if full {
		c.write(appendReset(c.out[:0], h.id, http2.ErrCodeRefusedStream))
		return
	}
	c.expect(st.dueBy(&c.srv.opt))
}

// newStream returns the stream of a call, or why it is refused.
func (c *conn) newStream(h *head) (*stream, error) {
	st := &stream{c: c, id: h.id, began: time.Now(), window: streamWindow, requestID: h.requestID, metadata: h.metadata}
	st.lease, _ = c.srv.opt.Budget.Reserve(0)
	var known bool
	if st.handler, known = c.srv.opt.Handlers[h.path]; !known {
		return nil, &Status{Code: codes.Unimplemented, Message: "unknown method " + Shorten(h.path)}
	}
	if st.encoding, known = encodings[h.encoding]; !known {
		return nil, &Status{Code: codes.Unimplemented, Message: fmt.Sprintf("unknown grpc-encoding %q; use one of %s", Shorten(h.encoding), acceptEncoding)}
	}
	if h.timeout != "" {
		if st.timeout, known = parseTimeout(h.timeout); known {
			st.timeout = max(st.timeout, 1) // 0 means no deadline
		} else {
			return nil, &Status{Code: codes.InvalidArgument, Message: fmt.Sprintf("cannot read grpc-timeout %q", Shorten(h.timeout))}
		}
	}
	return st, nil
}

// isGRPC accepts application/grpc and application/grpc+proto with any parameters.
func isGRPC(contentType string) bool {
	if contentType == "application/grpc" {
		return true
	}
	base, _, _ := strings.Cut(contentType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	return base == "application/grpc" || base == "application/grpc+proto"
}

func parseTimeout(s string) (time.Duration, bool) {
	if len(s) < 2 || len(s) > 9 {
		return 0, false
	}
	n := time.Duration(0)
	for _, c := range []byte(s[:len(s)-1]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + time.Duration(c-'0')
	}
	switch s[len(s)-1] {
	case 'H':
		return min(n, 1<<20) * time.Hour, true // limited to avoid overflow
	case 'M':
		return n * time.Minute, true
	case 'S':
		return n * time.Second, true
	case 'm':
		return n * time.Millisecond, true
	case 'u':
		return n * time.Microsecond, true
	case 'n':
		return n, true
	}
	return 0, false
}

// padding reads the padding length, if flagged. rest is the rest of the frame, including the padding (RFC 9113, 6.1).
func (c *conn) padding(h frameHeader, padded http2.Flags) (rest, pad int, err error) {
	if !h.flags.Has(padded) {
		return h.length, 0, nil
	}
	if h.length < 1 {
		return 0, 0, violation("padding without its length")
	}
	b, err := c.in.Peek(1)
	if err != nil {
		return 0, 0, err
	}
	pad = int(b[0])
	c.in.Take(1)
	return h.length - 1, pad, nil
}
