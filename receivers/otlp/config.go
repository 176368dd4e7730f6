package otlp

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/confignet"
	"go.opentelemetry.io/collector/config/configoptional"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's otlp receiver, plus RequestTimeout.
type Config struct {
	// Protocols are the listeners; at least one is required. An empty section uses the defaults.
	Protocols Protocols `mapstructure:"protocols"`
	// RequestTimeout limits the wait for delivery; then the client is told to retry. A shorter client deadline wins. The
	// default is below the 10 s timeout of SDKs.
	RequestTimeout time.Duration `mapstructure:"request_timeout"`

	patience time.Duration // time for any message to arrive; fixed, shorter in tests
}

// Protocols are the two listeners.
type Protocols struct {
	// GRPC receives OTLP/gRPC; default endpoint localhost:4317.
	GRPC configoptional.Optional[configgrpc.ServerConfig] `mapstructure:"grpc"`
	// HTTP receives OTLP/HTTP, protobuf and JSON; default endpoint localhost:4318.
	HTTP configoptional.Optional[HTTPConfig] `mapstructure:"http"`
}

// HTTPConfig is a Collector HTTP server with a path per signal.
type HTTPConfig struct {
	confighttp.ServerConfig `mapstructure:",squash"`

	// TracesURLPath, MetricsURLPath and LogsURLPath are the POST paths.
	TracesURLPath  string `mapstructure:"traces_url_path"`
	MetricsURLPath string `mapstructure:"metrics_url_path"`
	LogsURLPath    string `mapstructure:"logs_url_path"`
}

const (
	defaultMaxBody        = 20 << 20 // the Collector's max_request_body_size
	defaultMaxMessageMiB  = 4        // gRPC's
	defaultPatience       = 30 * time.Second
	defaultHeaderTimeout  = 10 * time.Second
	defaultRequestTimeout = 8 * time.Second
	defaultStreams        = 250
	defaultReadBuffer     = 32 << 10 // the Collector allocates 512 KiB per connection; we only borrow a buffer while reading
	minReadBuffer         = 4 << 10
	maxReadBuffer         = 1 << 20
)

// Default enables no protocol, as in the Collector: naming one enables it.
func Default() *Config {
	g := configgrpc.NewDefaultServerConfig()
	g.NetAddr = confignet.AddrConfig{Endpoint: "127.0.0.1:4317", Transport: confignet.TransportTypeTCP}
	g.ReadBufferSize = defaultReadBuffer
	g.MaxRecvMsgSizeMiB = defaultMaxMessageMiB
	g.MaxConcurrentStreams = defaultStreams

	h := HTTPConfig{
		ServerConfig:  confighttp.NewDefaultServerConfig(),
		TracesURLPath: "/v1/traces", MetricsURLPath: "/v1/metrics", LogsURLPath: "/v1/logs",
	}
	h.NetAddr.Endpoint = "127.0.0.1:4318"
	h.MaxRequestBodySize = defaultMaxBody
	h.ReadHeaderTimeout = defaultHeaderTimeout
	return &Config{
		RequestTimeout: defaultRequestTimeout, patience: defaultPatience,
		Protocols: Protocols{GRPC: configoptional.Default(g), HTTP: configoptional.Default(h)},
	}
}

// Validate reports every fault with its key.
func (c *Config) Validate() error {
	var errs []error
	if !c.Protocols.GRPC.HasValue() && !c.Protocols.HTTP.HasValue() {
		errs = append(errs, errors.New(`"protocols" names neither "grpc" nor "http"; name at least one`))
	}
	if c.RequestTimeout <= 0 {
		errs = append(errs, fmt.Errorf(`"request_timeout" is %s; write a positive duration such as %s`, c.RequestTimeout, defaultRequestTimeout))
	}
	if c.Protocols.GRPC.HasValue() {
		errs = append(errs, checkAddress("grpc", c.Protocols.GRPC.Get().NetAddr, "127.0.0.1:4317"))
	}
	if c.Protocols.HTTP.HasValue() {
		h := c.Protocols.HTTP.Get()
		errs = append(errs, checkAddress("http", h.NetAddr, "127.0.0.1:4318"))
		if h.samePath() {
			errs = append(errs, errors.New(`"protocols::http::traces_url_path", "metrics_url_path" and "logs_url_path" are not all different; write one path a signal`))
		}
		for key, path := range map[string]string{
			"traces_url_path": h.TracesURLPath, "metrics_url_path": h.MetricsURLPath, "logs_url_path": h.LogsURLPath,
		} {
			if !strings.HasPrefix(path, "/") {
				errs = append(errs, fmt.Errorf(`"protocols::http::%s" is %q; write a path that begins with /`, key, path))
			}
			if strings.ContainsAny(path, "{} ") {
				errs = append(errs, fmt.Errorf(`"protocols::http::%s" is %q; write a path without spaces and braces`, key, path))
			}
		}
	}
	if c.sameAddress() {
		errs = append(errs, fmt.Errorf(`"protocols::grpc::endpoint" and "protocols::http::endpoint" are both %q; write two different ones`, c.Protocols.HTTP.Get().NetAddr.Endpoint))
	}
	return errors.Join(errs...)
}

// sameAddress reports whether both protocols use one address; port 0 gives two.
func (c *Config) sameAddress() bool {
	if !c.Protocols.GRPC.HasValue() || !c.Protocols.HTTP.HasValue() {
		return false
	}
	g, h := c.Protocols.GRPC.Get().NetAddr, c.Protocols.HTTP.Get().NetAddr
	return g.Endpoint == h.Endpoint && g.Transport == h.Transport && !strings.HasSuffix(g.Endpoint, ":0")
}

// Listens implements pipeline.ListenUser.
func (c *Config) Listens() (all []pipeline.Listening) {
	if c.Protocols.GRPC.HasValue() {
		at := c.Protocols.GRPC.Get().NetAddr
		all = append(all, pipeline.Listening{Key: "protocols::grpc::endpoint", Network: string(at.Transport), Address: at.Endpoint})
	}
	if c.Protocols.HTTP.HasValue() {
		at := c.Protocols.HTTP.Get().NetAddr
		all = append(all, pipeline.Listening{Key: "protocols::http::endpoint", Network: string(at.Transport), Address: at.Endpoint})
	}
	return all
}

func checkAddress(protocol string, at confignet.AddrConfig, example string) error {
	if !strings.HasPrefix(string(at.Transport), "tcp") {
		return nil
	}
	if err := listen.CheckAddress(at.Endpoint, example); err != nil {
		return fmt.Errorf(`"protocols::%s::endpoint": %w`, protocol, err)
	}
	return nil
}

func (h *HTTPConfig) samePath() bool {
	return h.TracesURLPath == h.MetricsURLPath || h.TracesURLPath == h.LogsURLPath || h.MetricsURLPath == h.LogsURLPath
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	const noExtension = "authenticate in front of Sluice, or with tls::client_ca_file; extensions are not hosted yet"
	return pipeline.Receiver("otlp", Default, New, pipeline.Signals[:]...).
		WithDoc("takes OTLP over gRPC and HTTP (protobuf and JSON; none, gzip, zstd) as bytes").
		WithUnsupported(map[string]string{
			"protocols::grpc::auth":                   noExtension,
			"protocols::http::auth":                   noExtension,
			"protocols::grpc::middlewares":            noExtension,
			"protocols::http::middlewares":            noExtension,
			"protocols::http::compression_algorithms": "none, gzip and zstd are always taken; remove the key",
		})
}

// HTTPEndpoint returns the host:port of OTLP/HTTP, or empty.
func (c *Config) HTTPEndpoint() string {
	if !c.Protocols.HTTP.HasValue() {
		return ""
	}
	return c.Protocols.HTTP.Get().NetAddr.Endpoint
}
