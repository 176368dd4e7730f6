package otlphttp

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets: the keys of the Collector's otlp_http exporter, and those that all our exporters share.
type Config struct {
	confighttp.ClientConfig `mapstructure:",squash"`
	delivery.Config         `mapstructure:",squash"`

	// MetricsEndpoint is the whole URL for metrics, instead of endpoint with /v1/metrics.
	MetricsEndpoint string `mapstructure:"metrics_endpoint"`
	// LogsEndpoint is the whole URL for logs, instead of endpoint with /v1/logs.
	LogsEndpoint string `mapstructure:"logs_endpoint"`
	// TracesEndpoint is the whole URL for traces, instead of endpoint with /v1/traces.
	TracesEndpoint string `mapstructure:"traces_endpoint"`
	// Encoding of a request; proto is the only one.
	Encoding string `mapstructure:"encoding"`
}

const (
	defaultTimeout = 30 * time.Second // the Collector's
	// Only headers and what goes through TLS or HTTP/2 pass the write buffer; the Collector has 512 KiB a connection.
	defaultWriteBuffer = 32 << 10
	// A rotated client certificate is seen within this; the Collector never looks unless told to.
	defaultReload = time.Minute
)

// Default is the Collector's, with the deviations that README.md names.
func Default() *Config {
	c := &Config{ClientConfig: confighttp.NewDefaultClientConfig(), Config: delivery.DefaultConfig(), Encoding: "proto"}
	c.Timeout = defaultTimeout
	c.WriteBufferSize = defaultWriteBuffer
	c.Compression = configcompression.TypeGzip
	c.TLS.ReloadInterval = defaultReload
	return c
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if c.Endpoint == "" && c.MetricsEndpoint == "" && c.LogsEndpoint == "" && c.TracesEndpoint == "" {
		errs = append(errs, errors.New(`"endpoint" is not set; write a URL such as http://localhost:4318`))
	}
	for _, e := range []struct{ key, value string }{
		{"endpoint", c.Endpoint}, {"metrics_endpoint", c.MetricsEndpoint},
		{"logs_endpoint", c.LogsEndpoint}, {"traces_endpoint", c.TracesEndpoint},
	} {
		if e.value != "" {
			errs = append(errs, delivery.CheckURL(e.key, e.value))
		}
	}
	if c.Encoding != "proto" {
		errs = append(errs, fmt.Errorf(`"encoding" is %q; only proto is supported; write proto or remove the key`, c.Encoding))
	}
	return errors.Join(append(errs, delivery.CheckHTTP(&c.ClientConfig), c.Config.Validate())...)
}

// target is where a signal is posted to; nil when the configuration does not say.
func (c *Config) target(s pipeline.Signal) (*url.URL, error) {
	whole := map[pipeline.Signal]string{
		pipeline.Metrics: c.MetricsEndpoint, pipeline.Logs: c.LogsEndpoint, pipeline.Traces: c.TracesEndpoint,
	}[s]
	if whole == "" && c.Endpoint != "" {
		whole = strings.TrimSuffix(c.Endpoint, "/") + "/v1/" + s.String()
	}
	if whole == "" {
		return nil, nil
	}
	u, err := url.Parse(whole)
	if err != nil {
		return nil, fmt.Errorf("cannot use the endpoint for %s: %w", s, err)
	}
	return u, nil
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("otlp_http", Default, New, pipeline.Signals[:]...).
		WithAliases("otlphttp").
		WithDoc("sends OTLP over HTTP as it came, compressed once").
		WithUnsupported(delivery.Unsupported(map[string]string{
			"profiles_endpoint": "profiles are not a signal yet; remove the key",
		}))
}
