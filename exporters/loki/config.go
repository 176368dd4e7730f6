package loki

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/loki"
)

// Config is what a user sets: the keys of the Collector's HTTP client, those that all our exporters share, and how
// streams are made.
type Config struct {
	httpclient.Config `mapstructure:",squash"`

	// TenantID is sent as X-Scope-OrgID. Empty means the tenant of the connection that the logs came in by.
	TenantID string `mapstructure:"tenant_id"`
	// Labels are added to every stream that has no label of that name.
	Labels map[string]string `mapstructure:"labels"`
	// IndexAttributes are the resource attributes that become labels of streams, dots as underscores. All others become
	// structured metadata.
	IndexAttributes []string `mapstructure:"index_attributes"`
	// MaxBatchSizeBytes is the size of a request, before compression, over which a batch becomes several.
	MaxBatchSizeBytes int `mapstructure:"max_batch_size_bytes"`
}

const (
	// Loki's own parts take messages of 4 MiB from each other unless told otherwise.
	defaultMaxBytes = 3 << 20
	minMaxBytes     = 1 << 10
	pushPath        = "/loki/api/v1/push"
)

// labelName is what Loki takes as the name of a label.
const labelName = `^[a-zA-Z_][a-zA-Z0-9_]*$`

// Default keeps one request on the wire, so that every stream keeps its order.
func Default() *Config {
	c := &Config{Config: httpclient.DefaultConfig(), IndexAttributes: loki.IndexAttributes(), MaxBatchSizeBytes: defaultMaxBytes}
	c.MaxInFlight = 1
	return c
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if c.Compression.IsCompressed() && c.Compression != "snappy" {
		errs = append(errs, fmt.Errorf(`"compression" is %q; the push API is always snappy, remove the key`, c.Compression))
	}
	if c.MaxBatchSizeBytes < minMaxBytes {
		errs = append(errs, fmt.Errorf(`"max_batch_size_bytes" is %d; write at least %d`, c.MaxBatchSizeBytes, minMaxBytes))
	}
	if strings.ContainsFunc(c.TenantID, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' }) || c.TenantID == "." || c.TenantID == ".." {
		errs = append(errs, fmt.Errorf(`"tenant_id" is %q; write letters, digits, - and _`, c.TenantID))
	}
	names := regexp.MustCompile(labelName)
	for name := range c.Labels {
		if !names.MatchString(name) {
			errs = append(errs, fmt.Errorf(`"labels" has %q, which is not a label name; write letters, digits and _`, name))
		}
	}
	return errors.Join(append(errs, c.Config.Validate())...)
}

// target is the URL that is posted to: the endpoint, with the path of the push API if it has none.
func (c *Config) target() (*url.URL, error) {
	u, err := httpclient.Join(c.Endpoint, "")
	if err == nil && u.Path == "" {
		u.Path = pushPath
	}
	return u, err
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("loki", Default, New, pipeline.Logs).
		WithDoc("pushes logs to Loki, with structured metadata").
		WithUnsupported(delivery.Unsupported(map[string]string{
			"default_labels_enabled": `streams have Loki's own labels for OTLP; write "index_attributes" and "labels"`,
		}))
}
