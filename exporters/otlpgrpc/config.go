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

// Config has the keys of the Collector's otlp_grpc exporter, and those of all our exporters.
type Config struct {
	configgrpc.ClientConfig `mapstructure:",squash"`
	delivery.Config         `mapstructure:",squash"`

	// Timeout limits one attempt.
	Timeout time.Duration `mapstructure:"timeout"`
}

const (
	defaultTimeout     = 5 * time.Second // the Collector's
	defaultWriteBuffer = 512 << 10       // the Collector's; grpc-go writes buffered data at once
	// Time to answer a ping, which grpc sends after at least 10 s of silence; the Collector's is 10 s.
	defaultPing = 5 * time.Second
	// A rotated client certificate is loaded within this time; by default the Collector never reloads.
	defaultReload = time.Minute
)

// Default returns the Collector's defaults, except as listed in README.md.
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

// Validate reports every fault with its key.
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
	if err := delivery.CheckMetadata(c.Headers); err != nil {
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
