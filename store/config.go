package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics"
)

// Config is what a user sets.
type Config struct {
	// Endpoint is where what is stored can be asked for: Prometheus' API below /api/v1, Loki's below /loki/api/v1,
	// Tempo's below /tempo/api, and a page for people at /.
	Endpoint string `mapstructure:"endpoint"`
	// Directory is where it is stored; empty means a folder below the data directory of the process.
	Directory string `mapstructure:"directory"`
	// Retention is how long it is kept, as in 7d or 36h.
	Retention Age `mapstructure:"retention"`
	// MaxDisk is how much disk metrics, logs and traces may use together, as in 5GiB. The oldest goes first,
	// whichever signal it is.
	MaxDisk Size `mapstructure:"max_disk"`
	// MinFreeDisk is how much room the disk keeps for others. Below it nothing is taken in (503) until there is
	// room again.
	MinFreeDisk Size `mapstructure:"min_free_disk"`
	// RuleFiles are Prometheus rule files, as globs; recording rules are stored, alerts are shown.
	RuleFiles []string `mapstructure:"rule_files"`
	// ShippedRules evaluates the rules that come with Sluice (dashboards/rules), too.
	ShippedRules bool `mapstructure:"shipped_rules"`
	// MaxSeries bounds the metric series that are in memory at once, about 4 KiB each.
	MaxSeries int `mapstructure:"max_series"`
	// LogsMemory and TracesMemory are what those stores may use for caches.
	LogsMemory   Size `mapstructure:"logs_memory"`
	TracesMemory Size `mapstructure:"traces_memory"`
}

// Defaults of a laptop.
const (
	defaultEndpoint  = "127.0.0.1:7700"
	defaultRetention = Age(7 * 24 * time.Hour)
	minRetention     = Age(time.Hour)
	minMaxDisk       = 64 << 20
	mebibyte         = 1 << 20
)

// Default is that of `sluice up`.
func Default() *Config {
	return &Config{
		Endpoint: defaultEndpoint, Retention: defaultRetention, MaxDisk: 5 << 30, MinFreeDisk: 256 * mebibyte,
		ShippedRules: true, MaxSeries: 250_000, LogsMemory: 64 * mebibyte, TracesMemory: 32 * mebibyte,
	}
}

// Validate names every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if err := listen.CheckAddress(c.Endpoint, defaultEndpoint); err != nil {
		errs = append(errs, fmt.Errorf(`"endpoint": %w`, err))
	}
	if c.Retention < minRetention {
		errs = append(errs, fmt.Errorf(`"retention" is %s; write at least %s`, c.Retention, minRetention))
	}
	if c.MaxDisk < minMaxDisk {
		errs = append(errs, fmt.Errorf(`"max_disk" is %s; write at least %s`, c.MaxDisk, Size(minMaxDisk)))
	}
	if err := metrics.CheckRules(c.RuleFiles); err != nil {
		errs = append(errs, fmt.Errorf(`"rule_files": %w`, err))
	}
	if c.MaxSeries < 1000 {
		errs = append(errs, fmt.Errorf(`"max_series" is %d; write at least 1000`, c.MaxSeries))
	}
	for key, v := range map[string]Size{"logs_memory": c.LogsMemory, "traces_memory": c.TracesMemory} {
		if v < 8*mebibyte {
			errs = append(errs, fmt.Errorf(`%q is %s; write at least 8MiB`, key, v))
		}
	}
	return errors.Join(errs...)
}

// Component describes the exporter to the engine.
func Component() pipeline.Component {
	return pipeline.Exporter("store", Default, New, pipeline.Signals[:]...).
		WithDoc("stores metrics, logs and traces on this machine and answers PromQL, LogQL and TraceQL")
}
