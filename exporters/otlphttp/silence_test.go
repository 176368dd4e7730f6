package otlphttp

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestASilentConnectionIsLeft: over HTTP/2 a timed-out request leaves its connection open. A silent connection is given up,
// and the next request uses another.
func TestASilentConnectionIsLeft(t *testing.T) {
	if c := Default(); c.HTTP2ReadIdleTimeout+c.HTTP2PingTimeout > 20*time.Second || c.HTTP2ReadIdleTimeout == 0 || c.HTTP2PingTimeout == 0 {
		t.Errorf("by default a silent connection is left after %s and %s, want 20s at most", c.HTTP2ReadIdleTimeout, c.HTTP2PingTimeout)
	}
	var protocol string
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { protocol = r.Proto }))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	proxy := pipelinetest.NewProxy(t, strings.TrimPrefix(srv.URL, "https://"))
	sink := start(t, func(c *Config) {
		c.Endpoint = "https://" + proxy.Addr
		c.TLS.InsecureSkipVerify = true
		c.Timeout, c.Retry.InitialInterval, c.Retry.MaxInterval = 500*time.Millisecond, 100*time.Millisecond, time.Second
		c.HTTP2ReadIdleTimeout, c.HTTP2PingTimeout = time.Second, 500*time.Millisecond
	})
	if err := sink.Consume(t.Context(), batch("x")); err != nil || protocol != "HTTP/2.0" {
		t.Fatalf("%v over %q", err, protocol)
	}
	proxy.Silence()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := sink.Consume(ctx, batch("y")); err != nil {
		t.Fatalf("after %s: %v", time.Since(begin), err)
	}
}
