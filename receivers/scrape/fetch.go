package scrape

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"

	"github.com/sluiceio/sluice/internal/inflate"
	"github.com/sluiceio/sluice/wire/template"
)

type fetcher struct {
	client  *http.Client
	request *http.Request
	direct  *direct // fast path; nil if not usable
	limit   int     // of the inflated body; as in Prometheus, a body of exactly this size is too large
	last    int     // length of the last body
	buffers *bufferPool
	own     bool // scrape this process
	from    prometheus.Gatherer
}

func newFetcher(j *job, t *target) (*fetcher, error) {
	if j.cfg.JobName == j.r.cfg.ScrapeSelf {
		return &fetcher{own: true, from: j.r.settings.View.Own, buffers: &j.r.buffers}, nil
	}
	req, err := http.NewRequest(http.MethodGet, t.url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("cannot make the request: %w", err)
	}
	encoding := "identity"
	// Compression only costs CPU if the data does not leave the host.
	if j.cfg.EnableCompression && (j.r.loaded.Compressed[j.cfg.JobName] || !t.isLocal()) {
		encoding = "gzip"
	}
	req.Header.Set("Accept", j.accept)
	req.Header.Set("Accept-Encoding", encoding)
	req.Header.Set("User-Agent", "sluice/"+j.r.settings.Version)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", strconv.FormatFloat(t.timeout.Seconds(), 'f', -1, 64))
	limit := int(j.cfg.BodySizeLimit)
	if limit <= 0 {
		limit = j.r.cfg.MaxBodyBytes
	}
	return &fetcher{client: j.client, request: req, direct: newDirect(j, req), limit: limit, buffers: &j.r.buffers}, nil
}

// get uses the job's client, which follows redirects, after the first redirect.
func (f *fetcher) get(ctx context.Context) (*http.Response, error) {
	if f.direct != nil {
		resp, err := f.direct.get(ctx)
		if !errors.Is(err, errRedirected) {
			return resp, err
		}
		f.direct = nil
	}
	return f.client.Do(f.request.WithContext(ctx))
}

func (f *fetcher) close() {
	if f.direct != nil {
		f.direct.close()
	}
}

// acceptHeader returns an Accept header in this order of preference, as Prometheus writes it.
func acceptHeader(ps []config.ScrapeProtocol, escaping model.EscapingScheme) string {
	var parts []string
	weight := len(config.ScrapeProtocolsHeaders) + 1
	for _, p := range ps {
		s := config.ScrapeProtocolsHeaders[p]
		if p == config.PrometheusText1_0_0 || p == config.OpenMetricsText1_0_0 {
			s += ";" + model.EscapingKey + "=" + escaping.String()
		}
		parts = append(parts, fmt.Sprintf("%s;q=0.%d", s, weight))
		weight--
	}
	return strings.Join(append(parts, fmt.Sprintf("*/*;q=0.%d", weight)), ",")
}

// fetch returns the inflated body in a pooled buffer, and its Content-Type.
func (f *fetcher) fetch(ctx context.Context) (body []byte, contentType string, err error) {
	if f.own {
		body, contentType, err = ownMetrics(f.from, f.buffers.get(f.last))
		f.last = len(body)
		return f.buffers.fit(body), contentType, err
	}
	resp, err := f.get(ctx)
	if err != nil {
		return nil, "", &failure{reasonOf(ctx, err, reasonConnect), err}
	}
	defer func() {
		// A connection is reused only if its body was read to the end. A switched protocol has no body.
		if resp.StatusCode != http.StatusSwitchingProtocols {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		}
		_ = resp.Body.Close()
	}()
	if resp.StatusCode != http.StatusOK {
		return nil, "", &failure{reasonStatus, fmt.Errorf("the target answers %s", resp.Status)}
	}
	buf := f.buffers.get(f.last)
	body, err = inflate.Read(buf, resp.Body, resp.Header.Get("Content-Encoding"), cap(buf)-1, inflate.Limits{Max: f.limit - 1})
	if err != nil {
		f.buffers.put(body)
		return nil, "", f.bodyFailure(ctx, err)
	}
	if len(body) > 0 {
		f.last = len(body) // an empty response does not predict the next size
	}
	return f.buffers.fit(body), resp.Header.Get("Content-Type"), nil
}

func (f *fetcher) bodyFailure(ctx context.Context, err error) *failure {
	reason := reasonOf(ctx, err, reasonConnect)
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, inflate.ErrTooLarge):
		reason = reasonBodySize
		err = fmt.Errorf("the body has %d bytes or more once inflated; body_size_limit does not allow that", f.limit)
	case errors.Is(err, inflate.ErrEncoding):
		reason = reasonFormat
	case reason != reasonConnect:
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		reason = reasonInvalid
	}
	return &failure{reason, err}
}

// bufferPool has size classes a quarter of an octave apart: a target keeps the buffer of its last body, so it must not be
// much larger than that.
type bufferPool struct{ classes [4 * 32]sync.Pool }

// classOf returns the smallest class with at least n bytes, and its size.
func classOf(n int) (class, size int) {
	n = max(n, 4<<10)
	octave := bits.Len(uint(n-1)) - 1 // 2^octave < n <= 2^(octave+1)
	quarter := 1 << (octave - 2)
	k := (n - 1<<octave + quarter - 1) / quarter // 1 to 4
	return 4*octave + k - 1, 1<<octave + k*quarter
}

func (p *bufferPool) get(n int) []byte {
	class, size := classOf(n + n/64 + 64) // slack, so that a slightly larger body fits
	if b, ok := p.classes[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// fit moves a body to a smaller buffer if its own is much too large.
func (p *bufferPool) fit(body []byte) []byte {
	if _, size := classOf(len(body) + len(body)/64 + 64); cap(body) <= 2*size {
		return body
	}
	small := append(p.get(len(body)), body...)
	p.put(body)
	return small
}

func (p *bufferPool) put(b []byte) {
	class, size := classOf(cap(b))
	if size > cap(b) {
		class--
	}
	if class >= 0 && cap(b) >= 4<<10 {
		b = b[:0]
		p.classes[class].Put(&b)
	}
}

// reason is a metric label: the list is closed.
type reason string

const (
	reasonConnect     reason = "connect"      // no connection, or it was reset
	reasonTimeout     reason = "timeout"      // scrape_timeout
	reasonStatus      reason = "status"       // an answer other than 200
	reasonBodySize    reason = "body_size"    // body_size_limit
	reasonFormat      reason = "format"       // unsupported content type or encoding
	reasonInvalid     reason = "invalid"      // invalid exposition, or a body that is cut or cannot be inflated
	reasonSampleLimit reason = "sample_limit" //
	reasonLabelLimit  reason = "label_limit"  // one of the three label limits
	reasonTargetLimit reason = "target_limit" // too many targets in the job
)

var reasons = [...]reason{
	reasonConnect, reasonTimeout, reasonStatus, reasonBodySize, reasonFormat, reasonInvalid, reasonSampleLimit,
	reasonLabelLimit, reasonTargetLimit,
}

type failure struct {
	reason reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func reasonOf(ctx context.Context, err error, other reason) reason {
	var n net.Error
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() {
		return reasonTimeout
	}
	return other
}

func reasonFor(err error) reason {
	var f *failure
	switch {
	case errors.As(err, &f):
		return f.reason
	case errors.Is(err, template.ErrSampleLimit):
		return reasonSampleLimit
	case errors.Is(err, template.ErrLabelLimit):
		return reasonLabelLimit
	case errors.Is(err, template.ErrFormat):
		return reasonFormat
	}
	return reasonInvalid
}
