package otlphttp

import (
	"errors"
	"fmt"
	"net/url"

	"go.opentelemetry.io/collector/config/configcompression"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets: the keys of the Collector's otlp_http exporter, and those that all our exporters share.
type Config struct {
	httpclient.Config `mapstructure:",squash"`

	// MetricsEndpoint is the whole URL for metrics, instead of endpoint with /v1/metrics.
	MetricsEndpoint string `mapstructure:"metrics_endpoint"`
	// LogsEndpoint is the whole URL for logs, instead of endpoint with /v1/logs.
	LogsEndpoint string `mapstructure:"logs_endpoint"`
	// TracesEndpoint is the whole URL for traces, instead of endpoint with /v1/traces.
	TracesEndpoint string `mapstructure:"traces_endpoint"`
	// Encoding of a request: proto, or json, which costs several times the CPU and bytes.
	Encoding string `mapstructure:"encoding"`
}

// The encodings.
const (
	encodingProto = "proto"
	encodingJSON  = "json"
)

// Default is the Collector's, with the deviations that README.md names.
func Default() *Config {
	c := &Config{Config: httpclient.DefaultConfig(), Encoding: encodingProto}
	c.Compression = configcompression.TypeGzip
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
			errs = append(errs, httpclient.CheckURL(e.key, e.value))
		}
	}
	if c.Encoding != encodingProto && c.Encoding != encodingJSON {
		errs = append(errs, fmt.Errorf(`"encoding" is %q; write proto or json`, c.Encoding))
	}
	return errors.Join(append(errs, httpclient.CheckClient(&c.ClientConfig), c.Config.Config.Validate())...)
}

// target is where a signal is posted to; nil when the configuration does not say.
func (c *Config) target(s pipeline.Signal) (*url.URL, error) {
	whole := map[pipeline.Signal]string{
		pipeline.Metrics: c.MetricsEndpoint, pipeline.Logs: c.LogsEndpoint, pipeline.Traces: c.TracesEndpoint,
	}[s]
	switch {
	case whole != "":
		return url.Parse(whole)
	case c.Endpoint != "":
		return httpclient.Join(c.Endpoint, "/v1/"+s.String())
	}
	return nil, nil
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
