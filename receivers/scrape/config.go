package scrape

import (
	"errors"
	"fmt"
	"strings"
	"time"

	promconfig "github.com/prometheus/prometheus/config"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/receivers/scrape/presets"
	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// Config has the supported keys of the Collector's prometheus receiver, plus ours.
type Config struct {
	// Config is a Prometheus configuration (global, scrape_configs, scrape_config_files), parsed by Prometheus' own loader.
	// Write a literal $ as $$.
	Config map[string]any `mapstructure:"config"`
	// ScrapeSelf names a job that reads this process' own metrics in memory, at the global interval; empty: none. Its
	// instance is the host's name.
	ScrapeSelf string `mapstructure:"scrape_self"`
	// InitialScrapeOffset delays the first scrape of a target, in addition to its offset in the interval.
	InitialScrapeOffset time.Duration `mapstructure:"initial_scrape_offset"`
	// DiscoveryReloadOnStartup scrapes discovered targets at once, without discovery's five seconds of collecting. Static
	// targets never wait.
	DiscoveryReloadOnStartup bool `mapstructure:"discovery_reload_on_startup"`
	// BacklogBytes limits the scrapes waiting in memory. Above it the oldest is dropped and counted as backlog_full.
	BacklogBytes int `mapstructure:"backlog_bytes"`
	// MaxBodyBytes limits the inflated body if a scrape config has no body_size_limit.
	MaxBodyBytes int `mapstructure:"max_body_bytes"`

	// Kubelet scrapes the own node's kubelet.
	Kubelet presets.Kubelet `mapstructure:"kubelet"`
	// Annotations scrapes pods by their annotations prometheus.io/scrape, port, path and scheme.
	Annotations presets.Annotations `mapstructure:"annotations"`

	loaded *promfile.File // set by Validate, or by New
}

// Default returns the default configuration.
func Default() *Config {
	return &Config{BacklogBytes: 64 << 20, MaxBodyBytes: 256 << 20, Kubelet: presets.DefaultKubelet()}
}

// Validate reports all faults at once, including those of Prometheus' loader.
func (c *Config) Validate() error {
	var errs []error
	if c.BacklogBytes < 1<<20 {
		errs = append(errs, fmt.Errorf(`"backlog_bytes" is %d: set %d or more`, c.BacklogBytes, 1<<20))
	}
	if c.MaxBodyBytes < 1<<10 || c.MaxBodyBytes > 1<<30 {
		errs = append(errs, fmt.Errorf(`"max_body_bytes" is %d: set %d to %d`, c.MaxBodyBytes, 1<<10, 1<<30))
	}
	if c.InitialScrapeOffset < 0 {
		errs = append(errs, fmt.Errorf(`"initial_scrape_offset" is %s: write 0s or more`, c.InitialScrapeOffset))
	}
	if c.Config != nil {
		c.Config = promfile.AsWritten(c.Config).(map[string]any)
	}
	section, err := c.withJobs()
	if err != nil {
		errs = append(errs, err)
	}
	l, err := promfile.Load(section)
	c.loaded = l
	return errors.Join(append(errs, err)...)
}

// Warnings reports settings that are valid but probably not intended.
func (c *Config) Warnings() []string {
	var out []string
	if global, _ := c.Config["global"].(map[string]any); global["query_log_file"] != nil {
		out = append(out, "config::global::query_log_file: does nothing here: nothing is queried; take it out")
	}
	for i, sc := range promfile.List(c.Config["scrape_configs"]) {
		m, _ := sc.(map[string]any)
		for _, key := range []string{"relabel_configs", "metric_relabel_configs"} {
			for j, rule := range promfile.List(m[key]) {
				out = append(out, emptyReplacement(rule, fmt.Sprintf("config::scrape_configs::%d::%s::%d", i, key, j))...)
			}
		}
		for _, p := range promfile.List(m["scrape_protocols"]) {
			if promfile.TextOf(p) == string(promconfig.PrometheusProto) {
				out = append(out, fmt.Sprintf(`config::scrape_configs::%d::scrape_protocols: %s is not asked for: write text protocols only`, i, p))
			}
		}
	}
	return out
}

// emptyReplacement detects "$1" instead of "$$1": the file's own variables are expanded before Prometheus sees the rule.
func emptyReplacement(rule any, path string) []string {
	m, _ := rule.(map[string]any)
	r, set := m["replacement"]
	action := promfile.TextOf(m["action"])
	if !set || r != nil && r != "" || action != "" && !strings.EqualFold(action, "replace") {
		return nil
	}
	return []string{path + `::replacement: is empty, so the rule removes the label: write $$1 for the first group of the regex, or use action labeldrop`}
}

// Component describes the receiver to the engine.
func Component() pipeline.Component {
	c := pipeline.Receiver("prometheus", Default, func(s pipeline.Settings, c *Config, out pipeline.Outputs) (any, error) {
		return New(s, c, out)
	}, pipeline.Metrics).
		WithDoc("Prometheus targets: scrape_configs, relabelling and service discovery as in Prometheus").
		WithUnsupported(map[string]string{
			"target_allocator":        "name the targets in scrape_configs, or shard with the relabel action hashmod",
			"api_server":              "take it out; the targets are in our own metrics",
			"trim_metric_suffixes":    "take it out; names stay as they are exposed",
			"use_start_time_metric":   "take it out; no start time is made up",
			"scrape_on_shutdown":      "take it out; the next process goes on with the same series",
			"start_time_metric_regex": "take it out; no start time is made up",
			"ignore_metadata":         "take it out",
		})
	return pipeline.WithPlayer(c, newPlayer)
}
