package otlphttp

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/confmap"

	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/pipeline"
)

// A rotated token is used with the retry after the 401 that the old one got; nothing is lost and nothing restarts.
func TestTokenRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write := func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old\n")
	valid := "Bearer old"
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != valid {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	sink := start(t, func(c *Config) {
		c.Endpoint, c.Credentials.BearerTokenFile, c.Retry.InitialInterval = srv.URL, path, time.Millisecond
	})
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Fatal(err)
	}
	write("new\n")
	valid = "Bearer new"
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Errorf("after the rotation: %v", err)
	}
}

func TestBasicAuthAndHeaders(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte("word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || user != "us" || password != "word" || r.Host != "other.example" || r.Header.Get("X-Scope-OrgID") != "7" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	sink := start(t, func(c *Config) {
		c.Endpoint = srv.URL
		c.Credentials.BasicAuth = credential.BasicAuthConfig{Username: "us", PasswordFile: path}
		c.Headers.Set("x-scope-orgid", "7")
		c.Headers.Set("host", "other.example")
		once(c)
	})
	if err := sink.Consume(t.Context(), batch("x")); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(srv.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	trusting := start(t, func(c *Config) { c.Endpoint, c.TLS.CAFile = srv.URL, ca })
	if err := trusting.Consume(t.Context(), batch("x")); err != nil {
		t.Error(err)
	}
	strict := start(t, func(c *Config) { c.Endpoint = srv.URL; once(c) })
	err := strict.Consume(t.Context(), batch("x"))
	if _, ok := pipeline.AsRefused(err); !ok || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

// Credentials go only where the configuration says.
func TestRedirects(t *testing.T) {
	leaked := make(chan string, 10)
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) { leaked <- r.Header.Get("X-Api-Key") })
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away/v1/logs":
			http.Redirect(w, r, other.URL+"/v1/logs", http.StatusTemporaryRedirect)
		case "/get/v1/logs":
			http.Redirect(w, r, "/v1/logs", http.StatusFound)
		case "/here/v1/logs":
			http.Redirect(w, r, "/v1/logs", http.StatusPermanentRedirect)
		case "/loop/v1/logs":
			http.Redirect(w, r, "/loop/v1/logs", http.StatusPermanentRedirect)
		}
	})
	for path, follows := range map[string]bool{"/away": false, "/get": false, "/here": true, "/loop": false} {
		sink := start(t, func(c *Config) { c.Endpoint = srv.URL + path; c.Headers.Set("X-Api-Key", "secret"); once(c) })
		err := sink.Consume(t.Context(), batch("x"))
		if (err == nil) != follows {
			t.Errorf("%s: %v", path, err)
		}
		if _, ok := pipeline.AsRejected(err); ok {
			t.Errorf("%s: a redirect loses data", path)
		}
	}
	if len(leaked) > 0 {
		t.Errorf("another host got the key %q", <-leaked)
	}
}

func TestConfigNamesEveryFault(t *testing.T) {
	c := Default()
	c.Encoding, c.Compression, c.LogsEndpoint, c.Timeout, c.ProxyURL = "xml", "lz4", "localhost:4318", -1, "::"
	c.TLS.CertFile = "cert.pem"
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, key := range []string{"encoding", "compression", "logs_endpoint", "timeout", "proxy_url", "tls"} {
		if !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
	if err := Default().Validate(); err == nil || !strings.Contains(err.Error(), `"endpoint"`) {
		t.Errorf("without an endpoint: %v", err)
	}
}

// TestOneSignalIsEnough validates as a file is validated: with the structs that the configuration embeds.
func TestOneSignalIsEnough(t *testing.T) {
	c := Default()
	c.MetricsEndpoint = "http://localhost:9090/api/v1/otlp/v1/metrics"
	if err := confmap.Validate(c); err != nil {
		t.Error(err)
	}
}
