package prometheus

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// Config has the keys of the Collector's prometheus exporter.
type Config struct {
	confighttp.ServerConfig `mapstructure:",squash"`
	// Namespace is put before each name, with an underscore.
	Namespace string `mapstructure:"namespace"`
	// ConstLabels are added to series that lack them.
	ConstLabels map[string]string `mapstructure:"const_labels"`
	// SendTimestamps exposes the time of each sample.
	SendTimestamps bool `mapstructure:"send_timestamps"`
	// MetricExpiration is for how long a series is exposed after its last sample.
	MetricExpiration time.Duration `mapstructure:"metric_expiration"`
	// ResourceToTelemetry turns all resource attributes into labels.
	ResourceToTelemetry ResourceToTelemetry `mapstructure:"resource_to_telemetry_conversion"`
	// EnableOpenMetrics answers in OpenMetrics, with exemplars, where the scraper accepts it.
	EnableOpenMetrics bool `mapstructure:"enable_open_metrics"`
	// AddMetricSuffixes adds unit and type to names of OpenTelemetry metrics. Scraped metrics keep their names.
	AddMetricSuffixes bool `mapstructure:"add_metric_suffixes"`
	// TranslationStrategy is UnderscoreEscapingWithSuffixes or ...WithoutSuffixes; if set, AddMetricSuffixes is not asked.
	TranslationStrategy prom.Strategy `mapstructure:"translation_strategy"`
	// WithoutScopeInfo leaves the labels otel_scope_* out. Then series that differ in their scope only are one.
	WithoutScopeInfo bool `mapstructure:"without_scope_info"`
	// MaxSeries limits the series; more are dropped as overflow.
	MaxSeries int `mapstructure:"max_series"`
}

// ResourceToTelemetry is the section resource_to_telemetry_conversion.
type ResourceToTelemetry struct {
	Enabled                  bool `mapstructure:"enabled"`
	ExcludeServiceAttributes bool `mapstructure:"exclude_service_attributes"`
}

const (
	defaultExpiration = 5 * time.Minute
	defaultMaxSeries  = 1_000_000
	defaultTimeout    = 10 * time.Second // to read a request's header
)

// Default has no endpoint: the Collector has none, either.
func Default() *Config {
	c := &Config{
		ServerConfig: confighttp.NewDefaultServerConfig(), MetricExpiration: defaultExpiration, AddMetricSuffixes: true,
		MaxSeries: defaultMaxSeries,
	}
	c.ReadHeaderTimeout = defaultTimeout
	return c
}

// Validate reports every fault, with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.NetAddr.Endpoint == "" {
		errs = append(errs, errors.New(`"endpoint" is not set; write host:port, such as 127.0.0.1:8889`))
	} else if strings.HasPrefix(string(c.NetAddr.Transport), "tcp") {
		if err := listen.CheckAddress(c.NetAddr.Endpoint, "127.0.0.1:8889"); err != nil {
			errs = append(errs, fmt.Errorf(`"endpoint": %w`, err))
		}
	}
	if _, err := c.namespace(); err != nil {
		errs = append(errs, fmt.Errorf(`"namespace" is %q; write letters, digits and _, not beginning with a digit`, c.Namespace))
	}
	for name := range c.ConstLabels {
		if !model.LegacyValidation.IsValidLabelName(name) || name == nameLabel {
			errs = append(errs, fmt.Errorf(`"const_labels" has %q, which is not a label name; write letters, digits and _`, name))
		}
	}
	if c.MetricExpiration <= 0 {
		errs = append(errs, fmt.Errorf(`"metric_expiration" is %s; write a positive duration such as 5m`, c.MetricExpiration))
	}
	if c.MaxSeries < 1 {
		errs = append(errs, fmt.Errorf(`"max_series" is %d; write at least 1`, c.MaxSeries))
	}
	return errors.Join(append(errs, c.TranslationStrategy.Check())...)
}

// namespace is the key with other characters as underscores, as in the Collector.
func (c *Config) namespace() (string, error) {
	if c.Namespace == "" {
		return "", nil
	}
	return (&otlptranslator.LabelNamer{PreserveMultipleUnderscores: true}).Build(c.Namespace)
}

// Listens implements pipeline.ListenUser.
func (c *Config) Listens() []pipeline.Listening {
	return []pipeline.Listening{{Key: "endpoint", Network: string(c.NetAddr.Transport), Address: c.NetAddr.Endpoint}}
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	const noExtension = "extensions are not hosted; authenticate in front of Sluice, or with tls::client_ca_file"
	return pipeline.Exporter("prometheus", Default, New, pipeline.Metrics).
		WithDoc("exposes the last value of each series on /metrics, to be scraped").
		WithUnsupported(map[string]string{
			"auth":                   noExtension,
			"middlewares":            noExtension,
			"compression_algorithms": "remove the key",
		})
}
