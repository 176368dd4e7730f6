package remotewrite

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/config/confighttp"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/credential"
	"github.com/sluiceio/sluice/delivery/httpclient"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire/prom"
)

// Config has the keys of the Collector's prometheus_remote_write exporter, plus credentials from files.
type Config struct {
	confighttp.ClientConfig `mapstructure:",squash"`
	// Retry configures retries.
	Retry delivery.RetryConfig `mapstructure:"retry_on_failure"`
	// Credentials are read from files.
	Credentials credential.Config `mapstructure:",squash"`

	// Queue limits waiting callers and sets the number of shards.
	Queue Queue `mapstructure:"remote_write_queue"`
	// WAL puts the queue on disk, too.
	WAL WAL `mapstructure:"wal"`
	// ExternalLabels are added to series that lack a label of that name.
	ExternalLabels map[string]string `mapstructure:"external_labels"`
	// AddMetricSuffixes adds unit and type to names of OpenTelemetry metrics. Scraped metrics keep their names.
	AddMetricSuffixes bool `mapstructure:"add_metric_suffixes"`
	// TranslationStrategy is UnderscoreEscapingWithSuffixes or ...WithoutSuffixes; if set, AddMetricSuffixes is not asked.
	TranslationStrategy prom.Strategy `mapstructure:"translation_strategy"`
	// DisableScopeInfo leaves the labels otel_scope_* out, as Prometheus' OTLP endpoint does; true by default, unlike in the
	// Collector.
	DisableScopeInfo bool `mapstructure:"disable_scope_info"`
	// PromoteResourceAttributes become labels of every series of the resource.
	PromoteResourceAttributes []string `mapstructure:"promote_resource_attributes"`
	// ResourceToTelemetry turns all resource attributes into labels.
	ResourceToTelemetry ResourceToTelemetry `mapstructure:"resource_to_telemetry_conversion"`
	// TargetInfo configures the series with a resource's other attributes.
	TargetInfo TargetInfo `mapstructure:"target_info"`
	// SendMetadata adds type, help and unit of each metric.
	SendMetadata bool `mapstructure:"send_metadata"`
	// MaxBatchSizeBytes limits the uncompressed size of a request; larger batches are split.
	MaxBatchSizeBytes int `mapstructure:"max_batch_size_bytes"`
	// MaxBatchRequestParallelism overrides remote_write_queue::num_consumers.
	MaxBatchRequestParallelism int `mapstructure:"max_batch_request_parallelism"`
	// OutOfOrder says that the destination takes samples older than the newest of their series.
	OutOfOrder bool `mapstructure:"out_of_order"`
	// ProtobufMessage is the protocol version; only that of 1.0 is supported.
	ProtobufMessage string `mapstructure:"protobuf_message"`
}

// Queue is the section remote_write_queue.
type Queue struct {
	// Enabled applies QueueSize.
	Enabled bool `mapstructure:"enabled"`
	// QueueSize is how many batches may wait; more are refused as overload.
	QueueSize int `mapstructure:"queue_size"`
	// NumConsumers is the number of shards. A series always uses the same shard, which sends one request at a time.
	NumConsumers int `mapstructure:"num_consumers"`
	// Storage names a file_storage extension: the queue is on disk.
	Storage string `mapstructure:"storage"`
	// Sizer, OnFull, BlockOnOverflow, MaxAge, DeadLettersMiB and Recovery are for a queue on disk; see delivery.
	Sizer           string        `mapstructure:"sizer"`
	OnFull          string        `mapstructure:"on_full"`
	BlockOnOverflow bool          `mapstructure:"block_on_overflow"`
	MaxAge          time.Duration `mapstructure:"max_age"`
	DeadLettersMiB  int           `mapstructure:"dead_letters_mib"`
	Recovery        string        `mapstructure:"recovery"`
}

// WAL is the section wal, the Collector's older way to a queue on disk.
type WAL struct {
	// Directory is where the queue is.
	Directory string `mapstructure:"directory"`
	// BufferSize and TruncateFrequency are accepted and ignored.
	BufferSize        int           `mapstructure:"buffer_size"`
	TruncateFrequency time.Duration `mapstructure:"truncate_frequency"`
}

// StorageKey implements pipeline.StorageUser.
func (c *Config) StorageKey() (key, name string) {
	return "remote_write_queue::storage", c.Queue.Storage
}

// QueueDirectory is the folder of the queue when no storage is named; empty for none.
func (c *Config) QueueDirectory() string { return c.WAL.Directory }

// ResourceToTelemetry is the section resource_to_telemetry_conversion.
type ResourceToTelemetry struct {
	// Enabled adds each resource attribute as a label to every series of the resource.
	Enabled bool `mapstructure:"enabled"`
	// ExcludeServiceAttributes omits the attributes behind job and instance.
	ExcludeServiceAttributes bool `mapstructure:"exclude_service_attributes"`
}

// TargetInfo is the section target_info.
type TargetInfo struct {
	// Enabled writes one target_info series per resource.
	Enabled bool `mapstructure:"enabled"`
}

const (
	defaultTimeout  = 5 * time.Second // the Collector's
	defaultMaxBytes = 3_000_000       // the Collector's
	minMaxBytes     = 1 << 10
	maxShards       = 64
	messageV1       = "prometheus.WriteRequest"
)

// Default returns the Collector's defaults, except as listed in README.md.
func Default() *Config {
	p := prom.DefaultConfig()
	c := &Config{
		ClientConfig: httpclient.DefaultClient(),
		Retry:        delivery.DefaultRetryConfig(),
		Queue:        queueDefaults(),

		AddMetricSuffixes:         p.AddMetricSuffixes,
		DisableScopeInfo:          true,
		PromoteResourceAttributes: p.PromoteResourceAttributes,
		TargetInfo:                TargetInfo{Enabled: p.TargetInfo},
		MaxBatchSizeBytes:         defaultMaxBytes,
		ProtobufMessage:           messageV1,
	}
	c.Timeout = defaultTimeout
	return c
}

func queueDefaults() Queue {
	d := delivery.DefaultQueueConfig()
	return Queue{Enabled: true, QueueSize: 10_000, NumConsumers: 1, Sizer: d.Sizer, OnFull: d.OnFull, DeadLettersMiB: d.DeadLettersMiB, Recovery: d.Recovery}
}

// Validate reports every fault with its key.
func (c *Config) Validate() error {
	var errs []error
	if c.Compression.IsCompressed() && c.Compression != "snappy" {
		errs = append(errs, fmt.Errorf(`"compression" is %q; remote write is always snappy, remove the key`, c.Compression))
	}
	if c.ProtobufMessage != messageV1 {
		errs = append(errs, fmt.Errorf(`"protobuf_message" is %q; only %s is supported`, c.ProtobufMessage, messageV1))
	}
	if c.Queue.Enabled && c.Queue.QueueSize < 1 {
		errs = append(errs, fmt.Errorf(`"remote_write_queue::queue_size" is %d; write at least 1, or enabled: false`, c.Queue.QueueSize))
	}
	if c.Queue.NumConsumers < 1 || c.Queue.NumConsumers > maxShards {
		errs = append(errs, fmt.Errorf(`"remote_write_queue::num_consumers" is %d; write 1 to %d`, c.Queue.NumConsumers, maxShards))
	}
	if c.MaxBatchRequestParallelism < 0 || c.MaxBatchRequestParallelism > maxShards {
		errs = append(errs, fmt.Errorf(`"max_batch_request_parallelism" is %d; write 1 to %d, or remove the key`, c.MaxBatchRequestParallelism, maxShards))
	}
	if c.MaxBatchSizeBytes < minMaxBytes {
		errs = append(errs, fmt.Errorf(`"max_batch_size_bytes" is %d; write at least %d`, c.MaxBatchSizeBytes, minMaxBytes))
	}
	if c.WAL.Directory != "" && c.Queue.Storage != "" {
		errs = append(errs, errors.New(`"wal::directory" and "remote_write_queue::storage" are two ways to one thing; remove "wal"`))
	}
	if q := c.client().Queue; q.OnDisk() || q.Recovery == delivery.FreshFirst { // its keys have the same names
		q.NumConsumers = 1
		if err := errors.Join(q.Validate(), q.NeedsOrder(c.OutOfOrder, `let it take them (Prometheus: "storage.tsdb.out_of_order_time_window" over the longest outage)`)); err != nil {
			errs = append(errs, errors.New(strings.ReplaceAll(err.Error(), "sending_queue", "remote_write_queue")))
		}
	}
	for name := range c.ExternalLabels {
		if !model.LegacyValidation.IsValidLabelName(name) {
			errs = append(errs, fmt.Errorf(`"external_labels" has %q, which is not a label name; write letters, digits and _`, name))
		}
	}
	return errors.Join(append(errs, c.TranslationStrategy.Check(), httpclient.CheckURL("endpoint", c.Endpoint), httpclient.CheckClient(&c.ClientConfig), c.Retry.Validate(), c.Credentials.Validate())...)
}

func (c *Config) shards() int {
	if c.MaxBatchRequestParallelism > 0 {
		return c.MaxBatchRequestParallelism
	}
	return c.Queue.NumConsumers
}

// client allows one call at a time: its shards are sent concurrently, each series in order.
func (c *Config) client() *httpclient.Config {
	shared := httpclient.Config{ClientConfig: c.ClientConfig, Config: delivery.DefaultConfig()}
	q := &shared.Queue
	q.Enabled, q.QueueSize, q.Storage, q.Directory = c.Queue.Enabled, c.Queue.QueueSize, c.Queue.Storage, c.WAL.Directory
	q.Sizer, q.OnFull, q.BlockOnOverflow, q.MaxAge, q.DeadLettersMiB, q.Recovery = c.Queue.Sizer, c.Queue.OnFull, c.Queue.BlockOnOverflow, c.Queue.MaxAge, c.Queue.DeadLettersMiB, c.Queue.Recovery
	shared.Retry, shared.Credentials, shared.MaxInFlight = c.Retry, c.Credentials, 1
	if shared.MaxIdleConnsPerHost == 0 {
		shared.MaxIdleConnsPerHost = max(c.shards(), http.DefaultMaxIdleConnsPerHost)
	}
	return &shared
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("prometheus_remote_write", Default, New, pipeline.Metrics).
		WithAliases("prometheusremotewrite").
		WithDoc("writes metrics to Prometheus, Mimir, VictoriaMetrics and others by remote write 1.0").
		WithUnsupported(map[string]string{
			"auth":                  `extensions are not hosted; write "bearer_token_file" or "basic_auth", or "headers"`,
			"middlewares":           "extensions are not hosted; remove the key",
			"sending_queue":         `write "remote_write_queue"`,
			"namespace":             "rename metrics where they are made",
			"export_created_metric": "start times are not exported; remove the key",
		})
}
