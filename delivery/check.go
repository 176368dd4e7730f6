package delivery

import (
	"errors"
	"fmt"
	"net/url"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/confighttp"
)

// CheckURL says what is wrong with the URL under a key.
func CheckURL(key, value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a URL; write one such as http://host:port", key)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%q has the scheme %q; write http://... or https://...", key, u.Scheme)
	case u.Host == "":
		return fmt.Errorf("%q names no host; write a URL such as %s://host:port", key, u.Scheme)
	}
	return nil
}

// CheckHTTP says what is wrong with the keys of a Collector's HTTP client.
func CheckHTTP(c *confighttp.ClientConfig) error {
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
	if err := c.Headers.Validate(); err != nil {
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
