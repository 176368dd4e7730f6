// Package promfile loads the receiver's Prometheus configuration and reports every fault with its key.
package promfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/dns"  // registers dns_sd_configs
	_ "github.com/prometheus/prometheus/discovery/file" // registers file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // registers http_sd_configs
	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.yaml.in/yaml/v3"
)

// A File is a checked Prometheus configuration.
type File struct {
	Global config.GlobalConfig
	Jobs   []*config.ScrapeConfig
	// Compressed holds the jobs that set enable_compression: only then it applies to targets on this host.
	Compressed map[string]bool
}

// Load parses the section with Prometheus' own loader. Each fault is prefixed by its key, such as
// "config::scrape_configs::0::metrics_path: ...".
func Load(section map[string]any) (*File, error) {
	if faults := faultsOf(section); len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	cfg, err := parse(section)
	if err != nil {
		return nil, errors.Join(faultsAt(err, "config", section)...) // jobs that are valid alone but not together
	}
	jobs, err := cfg.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("config::scrape_config_files: %w", err)
	}
	if len(jobs) == 0 {
		return nil, errors.New("config::scrape_configs: is empty: name at least one job, or take the receiver out")
	}
	f := &File{Global: cfg.GlobalConfig, Jobs: jobs, Compressed: map[string]bool{}}
	for i, raw := range List(section["scrape_configs"]) {
		m, _ := raw.(map[string]any)
		_, f.Compressed[jobs[i].JobName] = m["enable_compression"]
	}
	for _, j := range jobs {
		if j.ScrapeFallbackProtocol == "" {
			// As in the Collector: Prometheus 3 fails a target that sends no Content-Type.
			j.ScrapeFallbackProtocol = config.PrometheusText0_0_4
		}
	}
	return f, nil
}

var notScraping = map[string]string{
	"alerting":     "alerts are evaluated where the series are stored",
	"rule_files":   "rules are evaluated where the series are stored",
	"remote_write": "use the exporter prometheus_remote_write",
	"remote_read":  "take it out",
	"storage":      "use the exporter store",
	"tracing":      "take it out",
	"otlp":         "use the receiver otlp",
	"runtime":      "set GOGC in the environment",
}

func unsupported(j *config.ScrapeConfig) (faults []string) {
	if j.ScrapeNativeHistogramsEnabled() {
		faults = append(faults, "scrape_native_histograms: is not supported: take it out, classic buckets are read")
	}
	if j.ConvertClassicHistogramsToNHCBEnabled() {
		faults = append(faults, "convert_classic_histograms_to_nhcb: is not supported: take it out")
	}
	if j.ScrapeFailureLogFile != "" {
		faults = append(faults, "scrape_failure_log_file: is not supported: take it out, failures are counted and logged")
	}
	if j.ScrapeFallbackProtocol == config.PrometheusProto {
		faults = append(faults, "fallback_scrape_protocol: PrometheusProto is not supported: write PrometheusText0.0.4")
	}
	if len(Protocols(j)) == 0 {
		faults = append(faults, "scrape_protocols: none of them is supported: write OpenMetricsText1.0.0 and PrometheusText0.0.4")
	}
	return faults
}

// Discoveries are the <name>_sd_configs of Prometheus that we do not link: their clients would be most of the binary.
var Discoveries = []string{
	"aws", "azure", "consul", "digitalocean", "docker", "dockerswarm", "ec2", "ecs", "elasticache", "eureka", "gce",
	"hetzner", "ionos", "kuma", "lightsail", "linode", "marathon", "msk", "nerve", "nomad", "openstack",
	"outscale", "ovhcloud", "puppetdb", "rds", "scaleway", "serverset", "stackit", "triton", "uyuni", "vultr",
}

// Protocols returns the job's protocols without PrometheusProto: text and OpenMetrics.
func Protocols(j *config.ScrapeConfig) (out []config.ScrapeProtocol) {
	for _, p := range j.ScrapeProtocols {
		if p != config.PrometheusProto {
			out = append(out, p)
		}
	}
	return out
}

// AsWritten replaces expanded variables by their text without a type, so that Prometheus' loader reads 010 as text or
// number, as the key requires. Only lists and maps in brackets keep their type.
func AsWritten(value any) any {
	switch v := value.(type) {
	case xconfmap.ExpandedValue:
		text := strings.TrimSpace(v.Original)
		switch v.Value.(type) {
		case nil:
			return nil
		case map[string]any, []any:
			if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
				return AsWritten(v.Value)
			}
		}
		return scalar(v.Original)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = AsWritten(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = AsWritten(item)
		}
		return out
	}
	return value
}

func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	var read yaml.Node
	if err := yaml.Unmarshal([]byte(text), &read); err != nil || len(read.Content) != 1 || read.Content[0].Kind != yaml.ScalarNode || read.Content[0].Value != text {
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	return n
}

// TextOf returns the text of a scalar, literal or expanded.
func TextOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case *yaml.Node:
		return v.Value
	}
	return ""
}

// List returns v as a list; nil if it is none.
func List(v any) []any {
	l, _ := v.([]any)
	return l
}
