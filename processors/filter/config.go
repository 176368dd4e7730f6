package filter

import (
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/ottl/properties"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's filter processor. What a condition holds for is dropped.
type Config struct {
	// ErrorMode is ignore (report and keep the record), silent (keep it) or propagate (reject the batch).
	ErrorMode string  `mapstructure:"error_mode"`
	Logs      Logs    `mapstructure:"logs"`
	Traces    Traces  `mapstructure:"traces"`
	Metrics   Metrics `mapstructure:"metrics"`
	Spans     Spans   `mapstructure:"spans"`
	// LogConditions, MetricConditions and TraceConditions are lists of conditions whose paths name their context, or
	// of blocks {context, conditions, error_mode}.
	LogConditions    []any `mapstructure:"log_conditions"`
	MetricConditions []any `mapstructure:"metric_conditions"`
	TraceConditions  []any `mapstructure:"trace_conditions"`
}

// Logs are conditions for logs.
type Logs struct {
	Include   *properties.LogMatch `mapstructure:"include"`
	Exclude   *properties.LogMatch `mapstructure:"exclude"`
	Resource  []string             `mapstructure:"resource"`
	LogRecord []string             `mapstructure:"log_record"`
}

// Traces are conditions for spans and their events.
type Traces struct {
	Resource  []string `mapstructure:"resource"`
	Span      []string `mapstructure:"span"`
	SpanEvent []string `mapstructure:"spanevent"`
}

// Metrics are conditions for metrics and their data points.
type Metrics struct {
	Include   *properties.MetricMatch `mapstructure:"include"`
	Exclude   *properties.MetricMatch `mapstructure:"exclude"`
	Regexp    map[string]any          `mapstructure:"regexp"`
	Resource  []string                `mapstructure:"resource"`
	Metric    []string                `mapstructure:"metric"`
	DataPoint []string                `mapstructure:"datapoint"`
}

// Default drops nothing.
func Default() *Config { return &Config{ErrorMode: "ignore"} }

// drops are the conditions of a signal.
type drops struct {
	blocks []ottl.Block
	paths  []string // of the blocks' conditions in the configuration
	errs   []error
}

func (c *Config) of(s pipeline.Signal) drops {
	mode, _ := ottl.ParseMode(c.ErrorMode)
	var out drops
	add := func(context, path string, conditions []string) {
		if len(conditions) > 0 {
			out.blocks = append(out.blocks, ottl.Block{Context: context, Conditions: conditions, Mode: mode})
			out.paths = append(out.paths, path)
		}
	}
	var older []rule
	key, list := "trace_conditions", c.TraceConditions
	switch s {
	case pipeline.Logs:
		key, list = "log_conditions", c.LogConditions
		add("resource", "logs.resource", c.Logs.Resource)
		add("log", "logs.log_record", c.Logs.LogRecord)
		older = c.Logs.rules(&out.errs)
	case pipeline.Metrics:
		key, list = "metric_conditions", c.MetricConditions
		add("resource", "metrics.resource", c.Metrics.Resource)
		add("metric", "metrics.metric", c.Metrics.Metric)
		add("datapoint", "metrics.datapoint", c.Metrics.DataPoint)
		older = c.Metrics.rules(&out.errs)
	default:
		add("resource", "traces.resource", c.Traces.Resource)
		add("span", "traces.span", c.Traces.Span)
		add("spanevent", "traces.spanevent", c.Traces.SpanEvent)
		older = c.Spans.rules(&out.errs)
	}
	if len(older) > 0 && len(out.blocks)+len(list) > 0 {
		out.errs = append(out.errs, fmt.Errorf("%q stands beside conditions in OTTL; write only one of both", older[0].path))
	}
	if len(list) > 0 && len(out.blocks) > 0 {
		out.errs = append(out.errs, fmt.Errorf("%q stands beside %q; write only one of both", key, out.paths[0]))
	}
	for _, r := range older {
		add(r.context, r.path, []string{r.condition})
	}
	var flat []string
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch e := e.(type) {
		case string:
			flat = append(flat, e)
		case map[string]any:
			b, errs := ottl.ReadBlock(at, e, mode)
			if len(b.Statements) > 0 {
				errs = append(errs, fmt.Errorf("%q: a filter has conditions only", at+".statements"))
			}
			out.errs = append(out.errs, errs...)
			out.blocks, out.paths = append(out.blocks, b), append(out.paths, at+".conditions")
		default:
			out.errs = append(out.errs, fmt.Errorf("%q: write a condition or a block {context, conditions}", at))
		}
	}
	if len(flat) > 0 {
		out.blocks = append(out.blocks, ottl.Block{Conditions: flat, Mode: mode})
		out.paths = append(out.paths, key)
		if len(flat) < len(list) {
			out.errs = append(out.errs, fmt.Errorf("%q has conditions beside blocks; write only one of both", key))
		}
	}
	return out
}

// filter compiles the conditions of a signal; nil if there is none.
func (c *Config) filter(s pipeline.Signal) (*ottl.Filter, error) {
	d := c.of(s)
	if len(d.blocks) == 0 && len(d.errs) == 0 {
		return nil, nil
	}
	f, faults := ottl.CompileFilter(s, d.blocks)
	for _, fault := range faults {
		at := d.paths[fault.Block]
		if fault.Index >= 0 {
			at = fmt.Sprintf("%s[%d]", at, fault.Index)
		}
		d.errs = append(d.errs, fmt.Errorf("%q: %w", at, fault))
	}
	return f, errors.Join(d.errs...)
}

// Validate reports every fault of every condition.
func (c *Config) Validate() error {
	var errs []error
	if _, ok := ottl.ParseMode(c.ErrorMode); !ok {
		errs = append(errs, fmt.Errorf(`"error_mode" is %q; write ignore, silent or propagate`, c.ErrorMode))
	}
	for _, s := range pipeline.Signals {
		_, err := c.filter(s)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() (keys []string) {
	for _, s := range pipeline.Signals {
		if f, err := c.filter(s); err == nil && f != nil {
			keys = append(keys, f.MetadataKeys()...)
		}
	}
	return keys
}

// Component describes the processor.
func Component() pipeline.Component {
	const instead = "write a condition in OTTL under metrics::datapoint"
	return pipeline.Processor("filter", Default, New, pipeline.Signals[:]...).
		WithDoc("drops records for which a condition in OTTL holds").
		WithUnsupported(map[string]string{
			"profiles":                      "profiles pass unchanged; remove the key",
			"profile_conditions":            "profiles pass unchanged; remove the key",
			"metrics::include::expressions": instead,
			"metrics::exclude::expressions": instead,
		})
}
