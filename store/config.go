package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/store/metrics"
)

// Config is the user's configuration.
type Config struct {
	// Endpoint serves Prometheus' API below /api/v1, Loki's below /loki/api/v1, Tempo's below /tempo/api, and a page
	// at /.
	Endpoint string `mapstructure:"endpoint"`
	// Directory defaults to a folder in the data directory of the process.
	Directory string `mapstructure:"directory"`
	Retention Age    `mapstructure:"retention"`
	// MaxDisk limits all three stores together; the oldest data goes first. If only data that is still being
	// written is left, batches are refused (503).
	MaxDisk Size `mapstructure:"max_disk"`
	// MinFreeDisk is the free disk space below which batches are refused (503).
	MinFreeDisk Size `mapstructure:"min_free_disk"`
	// RuleFiles are globs of Prometheus rule files.
	RuleFiles []string `mapstructure:"rule_files"`
	// ShippedRules adds the rules in dashboards/rules.
	ShippedRules bool `mapstructure:"shipped_rules"`
	// MaxSeries limits the metric series in memory, 0.9 KB each and 150 to 340 B of cache.
	MaxSeries int `mapstructure:"max_series"`
	// LogsMemory and TracesMemory limit caches.
	LogsMemory   Size `mapstructure:"logs_memory"`
	TracesMemory Size `mapstructure:"traces_memory"`
}

const (
	defaultEndpoint  = "127.0.0.1:7700"
	defaultRetention = Age(7 * 24 * time.Hour)
	minRetention     = Age(time.Hour)
	minMaxDisk       = 64 << 20
	mebibyte         = 1 << 20
)

// Default returns the configuration of `sluice up`.
func Default() *Config {
	return &Config{
		Endpoint: defaultEndpoint, Retention: defaultRetention, MaxDisk: 5 << 30, MinFreeDisk: 256 * mebibyte,
		ShippedRules: true, MaxSeries: 250_000, LogsMemory: 64 * mebibyte, TracesMemory: 32 * mebibyte,
	}
}

// Validate reports all faults, each with its key.
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

// Listens implements pipeline.ListenUser.
func (c *Config) Listens() []pipeline.Listening {
	return []pipeline.Listening{{Key: "endpoint", Network: "tcp", Address: c.Endpoint}}
}

// Component describes the exporter.
func Component() pipeline.Component {
	return pipeline.Exporter("store", Default, New, pipeline.Signals[:]...).
		WithDoc("stores metrics, logs and traces on this machine and answers PromQL, LogQL and TraceQL")
}
