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

// Config has the keys of the Collector's HTTP client, those of all our exporters, and the rules for streams.
type Config struct {
	httpclient.Config `mapstructure:",squash"`

	// TenantID is sent as X-Scope-OrgID. Empty: the tenant of the incoming connection.
	TenantID string `mapstructure:"tenant_id"`
	// Labels are added to streams that lack a label of that name.
	Labels map[string]string `mapstructure:"labels"`
	// IndexAttributes are the resource attributes that become stream labels, with dots as underscores. Others become
	// structured metadata.
	IndexAttributes []string `mapstructure:"index_attributes"`
	// OutOfOrder says that the destination takes lines older than the newest of their stream by the longest outage.
	OutOfOrder bool `mapstructure:"out_of_order"`
	// MaxBatchSizeBytes limits the uncompressed size of a request; larger batches are split.
	MaxBatchSizeBytes int `mapstructure:"max_batch_size_bytes"`
}

const (
	// Loki's components accept 4 MiB messages from each other by default.
	defaultMaxBytes = 3 << 20
	minMaxBytes     = 1 << 10
	pushPath        = "/loki/api/v1/push"
)

const labelName = `^[a-zA-Z_][a-zA-Z0-9_]*$`

// Default sends one request at a time, to keep the order of every stream.
func Default() *Config {
	c := &Config{Config: httpclient.DefaultConfig(), IndexAttributes: loki.IndexAttributes(), MaxBatchSizeBytes: defaultMaxBytes}
	c.MaxInFlight = 1
	return c
}

// Validate reports every fault with its key.
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
	if err := c.Queue.NeedsOrder(c.OutOfOrder, `let its window be over the longest outage (half of Loki's "ingester::max_chunk_age", 1 h by default)`); err != nil {
		errs = append(errs, err)
	}
	names := regexp.MustCompile(labelName)
	for name := range c.Labels {
		if !names.MatchString(name) {
			errs = append(errs, fmt.Errorf(`"labels" has %q, which is not a label name; write letters, digits and _`, name))
		}
	}
	return errors.Join(append(errs, httpclient.CheckURL("endpoint", c.Endpoint), httpclient.CheckClient(&c.ClientConfig), c.Config.Config.Validate())...)
}

// target adds the push API's path if the endpoint has none.
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
