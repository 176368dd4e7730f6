package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

type serviceKeys struct {
	Pipelines       map[string]pipelineKeys `mapstructure:"pipelines"`
	Extensions      []string                `mapstructure:"extensions"`
	Telemetry       telemetryKeys           `mapstructure:"telemetry"`
	ShutdownTimeout time.Duration           `mapstructure:"shutdown_timeout"`
}

type telemetryKeys struct {
	Logs    logKeys    `mapstructure:"logs"`
	Metrics metricKeys `mapstructure:"metrics"`
}

type logKeys struct {
	Level    string `mapstructure:"level"`
	Encoding string `mapstructure:"encoding"`
}

type metricKeys struct {
	Level   string       `mapstructure:"level"`
	Address string       `mapstructure:"address"`
	Readers []readerKeys `mapstructure:"readers"`
}

type readerKeys struct {
	Pull struct {
		Exporter struct {
			Prometheus struct {
				Host string `mapstructure:"host"`
				Port int    `mapstructure:"port"`
			} `mapstructure:"prometheus"`
		} `mapstructure:"exporter"`
	} `mapstructure:"pull"`
}

// Below the 30 s after which Kubernetes kills.
const defaultShutdownTimeout = 25 * time.Second

var unsupportedInService = map[string]string{
	"telemetry::traces":                    "Sluice does not trace itself; take it out",
	"telemetry::resource":                  "take it out; our own metrics carry no resource",
	"telemetry::logs::sampling":            "take it out; repeated lines are limited without it",
	"telemetry::logs::output_paths":        "take it out; logs go to stderr",
	"telemetry::logs::error_output_paths":  "take it out; logs go to stderr",
	"telemetry::logs::development":         "take it out, and set level to debug",
	"telemetry::logs::disable_caller":      "take it out; lines name the component and not the source file",
	"telemetry::logs::disable_stacktrace":  "take it out; lines carry no stack",
	"telemetry::logs::initial_fields":      "take it out, and add the fields where the logs are collected",
	"telemetry::logs::processors":          "take it out; collect stderr instead",
	"telemetry::metrics::views":            "take it out, and drop metrics where they are scraped",
	"telemetry::metrics::readers::*::id":   "take it out",
	"telemetry::metrics::readers::*::name": "take it out",
	"telemetry::metrics::readers::*::periodic": "take it out, and scrape the pull reader instead " +
		"(pull: {exporter: {prometheus: {host, port}}})",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::without_scope_info":            "take it out; our own metrics have no scope labels",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::without_units":                 "take it out; our own metrics keep their units",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::without_type_suffix":           "take it out; our own counters keep _total",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::without_target_info":           "take it out; there is no target_info",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::with_resource_constant_labels": "take it out; our own metrics carry no resource",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::translation_strategy":          "take it out; our own metrics have underscore names",
	"telemetry::metrics::readers::*::pull::exporter::prometheus::resource_constant_labels":      "take it out; our own metrics carry no resource",
}

func (l *loader) readService() {
	value, ok := l.Decode(read.Section{Path: []string{"service"}, Raw: l.Raw["service"], Unsupported: unsupportedInService, Lenient: true}, func() any {
		return &serviceKeys{ShutdownTimeout: defaultShutdownTimeout}
	})
	keys := value.(*serviceKeys)
	s := &l.cfg.Service
	s.ShutdownTimeout = keys.ShutdownTimeout
	if keys.ShutdownTimeout < 0 {
		l.Fault(l.Tree.At("service", "shutdown_timeout"), "cannot be negative; write a duration such as 30s")
	}
	l.logs(keys.Telemetry.Logs)
	l.metrics(keys.Telemetry.Metrics)
	l.runExtensions(keys.Extensions)
	if ok || len(keys.Pipelines) > 0 {
		l.readPipelines(keys.Pipelines)
	}
}

func (l *loader) logs(keys logKeys) {
	path := []string{"service", "telemetry", "logs"}
	s := &l.cfg.Service
	levels := []string{"debug", "info", "warn", "error"}
	switch level := strings.ToLower(keys.Level); {
	case level == "":
		s.LogLevel = "info"
	case slices.Contains(levels, level):
		s.LogLevel = level
	case level == "warning":
		s.LogLevel = "warn"
	default:
		l.Fault(l.Tree.At(read.Extend(path, "level")...), "%q is not a level; %s", keys.Level, read.Meant(keys.Level, levels))
	}
	switch encodings := []string{"console", "text", "json"}; strings.ToLower(keys.Encoding) {
	case "", "console", "text":
		s.LogEncoding = "text"
	case "json":
		s.LogEncoding = "json"
	default:
		l.Fault(l.Tree.At(read.Extend(path, "encoding")...), "%q is not an encoding; %s", keys.Encoding, read.Meant(keys.Encoding, encodings))
	}
}

// metrics finds the endpoint of our metrics: that of the reader, else address, else the default.
func (l *loader) metrics(keys metricKeys) {
	path := []string{"service", "telemetry", "metrics"}
	s := &l.cfg.Service
	n := l.Tree.Find(path...)
	s.MetricsEmbedded = true
	for _, key := range []string{"address", "readers"} {
		if kid := n.Child(key); kid != nil && !kid.IsEmbedded() {
			s.MetricsEmbedded = false
		}
	}
	levels := []string{"none", "basic", "normal", "detailed"}
	switch level := strings.ToLower(keys.Level); {
	case level == "none":
		return
	case level != "" && !slices.Contains(levels, level):
		l.Fault(l.Tree.At(read.Extend(path, "level")...), "%q is not a level; %s", keys.Level, read.Meant(keys.Level, levels))
	}
	s.MetricsEndpoint, l.metricsKey = l.options.MetricsEndpoint, path
	if keys.Address != "" {
		l.metricsKey = read.Extend(path, "address")
		s.MetricsEndpoint = l.endpoint(l.metricsKey, keys.Address)
		if n.Child("readers").IsEmbedded() && !n.Child("address").IsEmbedded() {
			return // what the user says goes before what the command brings
		}
	}
	if len(keys.Readers) == 0 {
		if n.Child("readers") != nil && keys.Address == "" {
			s.MetricsEndpoint = "" // readers: [] is how the Collector turns them off
		}
		return
	}
	readers := read.Extend(path, "readers")
	if len(keys.Readers) > 1 {
		l.Fault(l.Tree.At(read.Extend(readers, "1")...), "only one reader of our own metrics is supported; take the others out")
	}
	if keys.Address != "" && !n.Child("address").IsEmbedded() {
		l.Fault(l.Tree.At(read.Extend(path, "address")...), "the address is set here and under readers; take one of them out")
	}
	p := keys.Readers[0].Pull.Exporter.Prometheus
	host, port, err := net.SplitHostPort(s.MetricsEndpoint)
	if err != nil {
		host, port = "localhost", "8888"
	}
	if p.Host != "" {
		host = p.Host
	}
	if p.Port != 0 {
		port = strconv.Itoa(p.Port)
	}
	l.metricsKey = read.Extend(readers, "0", "pull", "exporter", "prometheus")
	s.MetricsEndpoint = l.endpoint(l.metricsKey, net.JoinHostPort(host, port))
}

func (l *loader) endpoint(path []string, text string) string {
	if err := listen.CheckAddress(text, "localhost:8888"); err != nil {
		l.Fault(l.Tree.At(path...), "%s", err)
		return ""
	}
	return text
}

// memoryLimiter is implemented by memory_limiter's configuration.
type memoryLimiter interface {
	MemoryLimit() pipeline.MemoryLimit
}

// memoryLimit finds the single limit of all pipelines.
func (l *loader) memoryLimit() {
	var first *declaration
	for _, d := range l.declared[pipeline.KindProcessor] {
		m, ok := d.Config.(memoryLimiter)
		if !ok || !d.used || d.faulty {
			continue
		}
		if first == nil {
			first = d
			l.cfg.Service.MemoryLimit = m.MemoryLimit()
			continue
		}
		if m.MemoryLimit() != l.cfg.Service.MemoryLimit {
			l.Fault(d.At, "the process has one memory limit, and %s (%s) sets another; use that one in every pipeline", first.ID, first.Place)
		}
	}
}
