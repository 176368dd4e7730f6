package httpclient

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/sluiceio/sluice/delivery"
)

// Config has the keys of the Collector's HTTP client and of delivery.Config. Exporters embed it with squash.
type Config struct {
	confighttp.ClientConfig `mapstructure:",squash"`
	delivery.Config         `mapstructure:",squash"`
}

// Defaults that differ from the Collector's.
const (
	defaultTimeout = 30 * time.Second
	// Bodies bypass the write buffer, except over TLS and HTTP/2.
	defaultWriteBuffer = 32 << 10
	// Health check of HTTP/2 connections. Without it a dead peer's connection would be used for ever: a timeout
	// ends only the request.
	defaultReadIdle = 10 * time.Second
	defaultPing     = 5 * time.Second
	// The Collector never reloads client certificates by default.
	defaultReload = time.Minute
)

// DefaultConfig returns the defaults.
func DefaultConfig() Config {
	return Config{ClientConfig: DefaultClient(), Config: delivery.DefaultConfig()}
}

// DefaultClient is the HTTP client part of DefaultConfig.
func DefaultClient() confighttp.ClientConfig {
	c := confighttp.NewDefaultClientConfig()
	c.Timeout, c.WriteBufferSize, c.TLS.ReloadInterval = defaultTimeout, defaultWriteBuffer, defaultReload
	c.HTTP2ReadIdleTimeout, c.HTTP2PingTimeout = defaultReadIdle, defaultPing
	return c
}

// CheckURL validates the URL under a key.
func CheckURL(key, value string) error {
	u, err := url.Parse(value)
	switch {
	case value == "":
		return fmt.Errorf("%q is not set; write a URL such as http://host:port", key)
	case err != nil:
		return fmt.Errorf("%q is not a URL; write one such as http://host:port", key)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q has the scheme %q; write http://... or https://...", key, u.Scheme)
	case u.Host == "":
		return fmt.Errorf("%q names no host; write a URL such as %s://host:port", key, u.Scheme)
	}
	return nil
}

// CheckClient validates the keys of the HTTP client, except the endpoint.
func CheckClient(c *confighttp.ClientConfig) error {
	var errs []error
	if err := c.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"compression_params": %w`, err))
	}
	switch c.Compression {
	case "", "none", configcompression.TypeGzip, configcompression.TypeZstd, configcompression.TypeSnappy:
	default:
		errs = append(errs, fmt.Errorf(`"compression" is %q; write zstd, gzip, snappy or none`, c.Compression))
	}
	if err := c.TLS.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"tls": %w`, err))
	}
	if err := delivery.CheckHeaders(c.Headers); err != nil {
		errs = append(errs, fmt.Errorf(`"headers": %w`, err))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf(`"timeout" is %s; write 0 for none, or a duration such as 30s`, c.Timeout))
	}
	if c.ProxyURL != "" {
		errs = append(errs, CheckURL("proxy_url", c.ProxyURL))
	}
	return errors.Join(errs...)
}

// Join is the URL of path below an endpoint.
func Join(endpoint, path string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(endpoint, "/") + path)
	if err != nil {
		return nil, fmt.Errorf("cannot use the endpoint: %w", err)
	}
	return u, nil
}
