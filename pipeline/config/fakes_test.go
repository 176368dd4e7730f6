package config

import (
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/config/configgrpc"
	"go.opentelemetry.io/collector/config/confighttp"
	"go.opentelemetry.io/collector/config/configopaque"
	"go.opentelemetry.io/collector/config/configoptional"
	"go.opentelemetry.io/collector/confmap"

	"github.com/sluiceio/sluice/pipeline"
)

// The components of these tests build nothing; their configurations are made of the Collector's own structs, as the
// real ones are.

type otlpConfig struct {
	Protocols otlpProtocols `mapstructure:"protocols"`
}

type otlpProtocols struct {
	GRPC configoptional.Optional[configgrpc.ServerConfig] `mapstructure:"grpc"`
	HTTP configoptional.Optional[otlpHTTP]                `mapstructure:"http"`
}

type otlpHTTP struct {
	ServerConfig  confighttp.ServerConfig `mapstructure:",squash"`
	TracesURLPath string                  `mapstructure:"traces_url_path,omitempty"`
}

func defaultOTLP() *otlpConfig {
	http := confighttp.NewDefaultServerConfig()
	http.NetAddr.Endpoint = "localhost:4318"
	grpc := configgrpc.NewDefaultServerConfig()
	grpc.NetAddr.Endpoint = "localhost:4317"
	return &otlpConfig{otlpProtocols{
		GRPC: configoptional.Default(grpc),
		HTTP: configoptional.Default(otlpHTTP{ServerConfig: http, TracesURLPath: "/v1/traces"}),
	}}
}

func (c *otlpConfig) Validate() error {
	if !c.Protocols.GRPC.HasValue() && !c.Protocols.HTTP.HasValue() {
		return errors.New(`no protocol; write "protocols": {grpc: {}, http: {}}`)
	}
	return nil
}

func (c *otlpConfig) Listens() (all []pipeline.Listening) {
	if c.Protocols.GRPC.HasValue() {
		at := c.Protocols.GRPC.Get().NetAddr
		all = append(all, pipeline.Listening{Key: "protocols::grpc::endpoint", Network: string(at.Transport), Address: at.Endpoint})
	}
	if c.Protocols.HTTP.HasValue() {
		at := c.Protocols.HTTP.Get().ServerConfig.NetAddr
		all = append(all, pipeline.Listening{Key: "protocols::http::endpoint", Network: string(at.Transport), Address: at.Endpoint})
	}
	return all
}

// prometheusConfig reads its inner section with code of its own, as the real one does.
type prometheusConfig struct {
	Config scrapeSection `mapstructure:"config"`
}

type scrapeSection struct {
	Jobs []struct {
		Name        string `mapstructure:"job_name"`
		Replacement string `mapstructure:"replacement"`
		Password    string `mapstructure:"password"`
	} `mapstructure:"scrape_configs"`
}

func (s *scrapeSection) Unmarshal(conf *confmap.Conf) error {
	if conf.IsSet("boom") {
		return fmt.Errorf("scrape_configs::0: cannot read the job with %q", conf.Get("boom"))
	}
	if conf.IsSet("lines") {
		return errors.New("two\n  lines")
	}
	if err := conf.Unmarshal(s); err != nil {
		return fmt.Errorf("cannot read the jobs: %w", err)
	}
	return nil
}

func (c *prometheusConfig) Warnings() []string {
	var list []string
	for i, j := range c.Config.Jobs {
		if j.Replacement == "" {
			list = append(list, fmt.Sprintf("config::scrape_configs::%d::replacement: is empty; write $$1", i))
		}
	}
	return list
}

type tailConfig struct {
	Include  []string      `mapstructure:"include"`
	StartAt  string        `mapstructure:"start_at"`
	Poll     time.Duration `mapstructure:"poll_interval"`
	Attempts uint8         `mapstructure:"attempts"`
	Ratio    float64       `mapstructure:"ratio"`
	Quiet    bool          `mapstructure:"quiet"`
}

func (c *tailConfig) Validate() error {
	var errs []error
	if len(c.Include) == 0 {
		errs = append(errs, errors.New(`"include" is empty; list at least one glob`))
	}
	if c.StartAt != "end" && c.StartAt != "beginning" {
		errs = append(errs, fmt.Errorf(`"start_at" is %q; write "end" or "beginning"`, c.StartAt))
	}
	return errors.Join(errs...)
}

type hostConfig struct {
	Scrapers map[string]struct {
		Enabled bool `mapstructure:"enabled"`
	} `mapstructure:"scrapers"`
}

type batchConfig struct {
	Timeout time.Duration `mapstructure:"timeout"`
	Size    uint32        `mapstructure:"send_batch_size"`
	MaxSize uint32        `mapstructure:"send_batch_max_size"`
}

func (c *batchConfig) Validate() error {
	if c.MaxSize > 0 && c.MaxSize < c.Size {
		return errors.New(`"send_batch_max_size" must not be below "send_batch_size"; raise it or write 0`)
	}
	return nil
}

type resourceConfig struct {
	Attributes []resourceAction `mapstructure:"attributes"`
}

type resourceAction struct {
	Key    string `mapstructure:"key"`
	Value  any    `mapstructure:"value"`
	Action string `mapstructure:"action"`
}

func (a resourceAction) Validate() error {
	if a.Action != "insert" && a.Action != "upsert" && a.Action != "delete" {
		return fmt.Errorf(`"action" is %q; write insert, upsert or delete`, a.Action)
	}
	return nil
}

type limiterConfig struct {
	Limit uint64 `mapstructure:"limit_mib"`
}

func (c *limiterConfig) MemoryLimit() pipeline.MemoryLimit {
	return pipeline.MemoryLimit{LimitMiB: c.Limit}
}

type httpExporter struct {
	ClientConfig confighttp.ClientConfig                     `mapstructure:",squash"`
	Retry        retryConfig                                 `mapstructure:"retry_on_failure"`
	Token        configopaque.String                         `mapstructure:"token"`
	Extra        map[string]configopaque.String              `mapstructure:"extra"`
	Level        *configoptional.Optional[retryConfig]       `mapstructure:"level"`
	ByName       map[string]*configoptional.Optional[nested] `mapstructure:"by_name"`
	Rest         map[string]any                              `mapstructure:",remain"`
}

type nested struct {
	Depth int `mapstructure:"depth"`
}

type retryConfig struct {
	Enabled    bool          `mapstructure:"on"`
	Interval   time.Duration `mapstructure:"initial_interval"`
	Multiplier float64       `mapstructure:"multiplier"`
}

func (c *httpExporter) Validate() error {
	if c.ClientConfig.Endpoint == "" {
		return errors.New(`"endpoint" must be set; write for example http://localhost:4318`)
	}
	return nil
}

// strictHTTP is the same without the open end.
type strictHTTP struct {
	ClientConfig confighttp.ClientConfig        `mapstructure:",squash"`
	Retry        retryConfig                    `mapstructure:"retry_on_failure"`
	Token        configopaque.String            `mapstructure:"token"`
	Extra        map[string]configopaque.String `mapstructure:"extra"`
	ByName       map[string]*nested             `mapstructure:"by_name"`
}

func (c *strictHTTP) Validate() error {
	if c.ClientConfig.Endpoint == "" {
		return errors.New(`"endpoint" must be set; write for example http://localhost:4318`)
	}
	if c.Token == "leak" {
		return fmt.Errorf("the token %s is refused", string(c.Token))
	}
	if len(c.Token) > 30 {
		return fmt.Errorf("the token %q is too long", string(c.Token))
	}
	return nil
}

type grpcExporter struct {
	ClientConfig configgrpc.ClientConfig `mapstructure:",squash"`
}

type debugConfig struct {
	Verbosity string `mapstructure:"verbosity"`
}

func fakes() []pipeline.Component {
	all := []pipeline.Signal{pipeline.Metrics, pipeline.Logs, pipeline.Traces}
	return []pipeline.Component{
		pipeline.Receiver("otlp", defaultOTLP, noReceiver, all...).
			WithUnsupported(map[string]string{"protocols::grpc::keepalive": "take it out; the defaults of gRPC hold"}),
		pipeline.Receiver("prometheus", func() *prometheusConfig { return &prometheusConfig{} }, noReceiver, pipeline.Metrics),
		pipeline.Receiver("tail", func() *tailConfig { return &tailConfig{StartAt: "end", Poll: time.Second} }, noReceiver, pipeline.Logs),
		pipeline.Receiver("host", func() *hostConfig { return &hostConfig{} }, noReceiver, pipeline.Metrics),
		pipeline.Processor("batch", func() *batchConfig { return &batchConfig{Timeout: time.Second, Size: 8192} }, noProcessor, all...).
			WithUnsupported(map[string]string{"metadata_keys": "split by tenant instead, which is always on"}),
		pipeline.Processor("resource", func() *resourceConfig { return &resourceConfig{} }, noProcessor, all...).
			WithUnsupported(map[string]string{"attributes::*::from_context": "write value instead"}),
		pipeline.Processor("memory_limiter", func() *limiterConfig { return &limiterConfig{} }, noProcessor, all...),
		pipeline.Connector("forward", func() *struct{} { return &struct{}{} }, noConnector, pipeline.SameSignal()...),
		pipeline.Connector("counts", func() *struct{} { return &struct{}{} }, noConnector,
			pipeline.Way{From: pipeline.Logs, To: pipeline.Metrics}, pipeline.Way{From: pipeline.Traces, To: pipeline.Metrics}),
		pipeline.Exporter("otlp_http", defaultHTTP, noExporter, all...).WithAliases("otlphttp").
			WithUnsupported(map[string]string{
				"sending_queue":                "take it out; batches are held by the batch processor",
				"middlewares":                  "take it out",
				"retry_on_failure::multiplier": "take it out; waiting times double",
			}),
		pipeline.Exporter("open_http", func() *httpExporter { return &httpExporter{} }, noExporter, all...),
		pipeline.Exporter("otlp_grpc", func() *grpcExporter { return &grpcExporter{configgrpc.NewDefaultClientConfig()} }, noExporter, all...).
			WithAliases("otlp"),
		pipeline.Exporter("debug", func() *debugConfig { return &debugConfig{Verbosity: "basic"} }, noExporter, all...),
		pipeline.Exporter("prometheus_remote_write", func() *debugConfig { return &debugConfig{} }, noExporter, pipeline.Metrics).
			WithAliases("prometheusremotewrite"),
	}
}

func defaultHTTP() *strictHTTP {
	return &strictHTTP{ClientConfig: confighttp.NewDefaultClientConfig(), Retry: retryConfig{Enabled: true}}
}

var errNotBuilt = errors.New("these tests build nothing")

func noReceiver[C any](pipeline.Settings, *C, pipeline.Outputs) (any, error) { return nil, errNotBuilt }

func noProcessor[C any](_ pipeline.Settings, _ *C, next pipeline.Sink) (pipeline.Sink, error) {
	return next, errNotBuilt
}

func noConnector(pipeline.Settings, *struct{}, pipeline.Outputs) (pipeline.Sink, error) {
	return nil, errNotBuilt
}

func noExporter[C any](pipeline.Settings, *C) (pipeline.Sink, error) { return nil, errNotBuilt }
