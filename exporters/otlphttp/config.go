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

// Config has the keys of the Collector's otlp_http exporter, and those of all our exporters.
type Config struct {
	httpclient.Config `mapstructure:",squash"`

	// MetricsEndpoint replaces endpoint + /v1/metrics.
	MetricsEndpoint string `mapstructure:"metrics_endpoint"`
	// LogsEndpoint replaces endpoint + /v1/logs.
	LogsEndpoint string `mapstructure:"logs_endpoint"`
	// TracesEndpoint replaces endpoint + /v1/traces.
	TracesEndpoint string `mapstructure:"traces_endpoint"`
	// Encoding is proto or json; json costs several times the CPU and bytes.
	Encoding string `mapstructure:"encoding"`
}

const (
	encodingProto = "proto"
	encodingJSON  = "json"
)

// Default returns the Collector's defaults, except as listed in README.md.
func Default() *Config {
	c := &Config{Config: httpclient.DefaultConfig(), Encoding: encodingProto}
	c.Compression = configcompression.TypeGzip
	return c
}

// Validate reports every fault with its key.
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

// CheckSignal implements pipeline.SignalUser.
func (c *Config) CheckSignal(s pipeline.Signal) error {
	if u, err := c.target(s); u == nil && err == nil {
		return fmt.Errorf(`has neither "endpoint" nor "%s_endpoint"; write one, or take it out of this pipeline`, s)
	}
	return nil
}

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
