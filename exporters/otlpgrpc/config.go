package otlpgrpc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/config/configcompression"
	"go.opentelemetry.io/collector/config/configgrpc"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/pipeline"
)

// Config is what a user sets: the keys of the Collector's otlp_grpc exporter, and those that all our exporters share.
type Config struct {
	configgrpc.ClientConfig `mapstructure:",squash"`
	delivery.Config         `mapstructure:",squash"`

	// Timeout is that of one attempt.
	Timeout time.Duration `mapstructure:"timeout"`
}

const (
	defaultTimeout     = 5 * time.Second // the Collector's
	defaultWriteBuffer = 512 << 10       // the Collector's; grpc-go writes what it holds at once
	// How long a silent destination has to answer a ping, which grpc sends after 10 s at the earliest; the Collector has 10 s.
	defaultPing = 5 * time.Second
	// A rotated client certificate is seen within this; the Collector never looks unless told to.
	defaultReload = time.Minute
)

// Default is the Collector's, with the deviations that README.md names.
func Default() *Config {
	c := &Config{ClientConfig: configgrpc.NewDefaultClientConfig(), Config: delivery.DefaultConfig(), Timeout: defaultTimeout}
	c.WriteBufferSize = defaultWriteBuffer
	c.Compression = configcompression.TypeGzip
	c.TLS.ReloadInterval = defaultReload
	if k := c.Keepalive.GetOrInsertDefault(); k != nil {
		k.Timeout = defaultPing
	}
	return c
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if strings.TrimPrefix(strings.TrimPrefix(c.Endpoint, "http://"), "https://") == "" {
		errs = append(errs, errors.New(`"endpoint" is not set; write host:port, such as localhost:4317`))
	} else if err := c.ClientConfig.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"endpoint" or "balancer_name": %w`, err))
	}
	switch c.Compression {
	case "", "none", configcompression.TypeGzip, configcompression.TypeZstd:
	default:
		errs = append(errs, fmt.Errorf(`"compression" is %q; write zstd, gzip or none`, c.Compression))
	}
	if err := c.TLS.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"tls": %w`, err))
	}
	if err := c.Headers.Validate(); err != nil {
		errs = append(errs, fmt.Errorf(`"headers": %w`, err))
	}
	if c.Timeout < 0 {
		errs = append(errs, fmt.Errorf(`"timeout" is %s; write 0 for none, or a duration such as 5s`, c.Timeout))
	}
	return errors.Join(append(errs, c.Config.Validate())...)
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("otlp_grpc", Default, New, pipeline.Signals[:]...).
		WithAliases("otlp").
		WithDoc("sends OTLP over gRPC as it came, compressed once").
		WithUnsupported(delivery.Unsupported(nil))
}
