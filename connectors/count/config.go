package count

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/wire"
)

// Config has the keys of the Collector's count connector: metrics by their name. Without any of a kind, all of it is counted
// by the default metric.
type Config struct {
	Spans      map[string]Metric `mapstructure:"spans"`
	SpanEvents map[string]Metric `mapstructure:"spanevents"`
	Metrics    map[string]Metric `mapstructure:"metrics"`
	DataPoints map[string]Metric `mapstructure:"datapoints"`
	Logs       map[string]Metric `mapstructure:"logs"`
	Profiles   map[string]any    `mapstructure:"profiles"` // accepted: pipelines of profiles are not run
}

// Metric is a count.
type Metric struct {
	// Description is the metric's.
	Description string `mapstructure:"description"`
	// Conditions are in OTTL; any of them must hold for what is counted. Without one all is.
	Conditions []string `mapstructure:"conditions"`
	// Attributes divide the count by their values. They are the record's, else the scope's, else the resource's.
	Attributes []Attribute `mapstructure:"attributes"`
}

// Attribute divides a count.
type Attribute struct {
	// Key is its name.
	Key string `mapstructure:"key"`
	// DefaultValue stands for an attribute that is absent. Without it such a record is not counted.
	DefaultValue any `mapstructure:"default_value"`
}

// Default counts everything.
func Default() *Config { return &Config{} }

// Warnings reports what is not counted.
func (c *Config) Warnings() []string {
	if len(c.Profiles) > 0 {
		return []string{"profiles: profiles are not counted, as their pipelines are not run; remove the key"}
	}
	return nil
}

// kind is something that is counted.
type kind struct {
	key     string // of the configuration
	signal  pipeline.Signal
	of      ottl.Context
	metrics map[string]Metric
}

// kinds are what is counted, in the order of the result.
func (c *Config) kinds() []kind {
	byDefault := func(metrics map[string]Metric, name, description string) map[string]Metric {
		if len(metrics) > 0 {
			return metrics
		}
		return map[string]Metric{name: {Description: description}}
	}
	return []kind{
		{"spans", pipeline.Traces, ottl.Span, byDefault(c.Spans, "trace.span.count", "The number of spans observed.")},
		{"spanevents", pipeline.Traces, ottl.SpanEvent, byDefault(c.SpanEvents, "trace.span.event.count", "The number of span events observed.")},
		{"metrics", pipeline.Metrics, ottl.Metric, byDefault(c.Metrics, "metric.count", "The number of metrics observed.")},
		{"datapoints", pipeline.Metrics, ottl.DataPoint, byDefault(c.DataPoints, "metric.datapoint.count", "The number of data points observed.")},
		{"logs", pipeline.Logs, ottl.Log, byDefault(c.Logs, "log.record.count", "The number of log records observed.")},
	}
}

// counter compiles what is counted of a kind.
func (k *kind) counter() (*counter, error) {
	out := &counter{of: k.of}
	var errs []error
	var blocks []ottl.Block
	for _, name := range slices.Sorted(maps.Keys(k.metrics)) {
		m := k.metrics[name]
		if name == "" {
			errs = append(errs, fmt.Errorf("%q has a metric without a name; give it one", k.key))
		}
		d := definition{name: name, description: m.Description}
		if len(m.Attributes) > 0 && k.of == ottl.Metric {
			errs = append(errs, fmt.Errorf(`"%s::%s::attributes": a metric has none; count data points`, k.key, name))
		}
		for i, a := range m.Attributes {
			at := fmt.Sprintf("%s::%s::attributes[%d]", k.key, name, i)
			value, ok := body(a.DefaultValue)
			switch {
			case a.Key == "":
				errs = append(errs, fmt.Errorf(`"%s.key" is missing; write the attribute's name`, at))
			case !ok:
				errs = append(errs, fmt.Errorf(`"%s.default_value" is no text, bool or number`, at))
			case slices.ContainsFunc(d.attributes, func(x attribute) bool { return x.key == a.Key }):
				errs = append(errs, fmt.Errorf(`"%s.key" %s is there already; take it out`, at, a.Key))
			}
			d.attributes = append(d.attributes, attribute{a.Key, value})
		}
		out.definitions = append(out.definitions, d)
		blocks = append(blocks, ottl.Block{Context: k.of.String(), Conditions: m.Conditions, Mode: ottl.Propagate})
	}
	conditions, faults := ottl.CompileConditions(k.signal, k.of, blocks)
	for _, f := range faults {
		errs = append(errs, fmt.Errorf(`"%s::%s::conditions[%d]": %w`, k.key, out.definitions[f.Block].name, max(f.Index, 0), f))
	}
	out.conditions = conditions
	return out, errors.Join(errs...)
}

// body is a value as the body of an AnyValue; nil for none.
func body(v any) (value []byte, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return wire.AppendString(nil, wire.FieldValueString, v), true
	case bool:
		return wire.AppendBool(nil, wire.FieldValueBool, v), true
	case int:
		return wire.AppendUint(nil, wire.FieldValueInt, uint64(v)), true
	case int64:
		return wire.AppendUint(nil, wire.FieldValueInt, uint64(v)), true
	case float64:
		return wire.AppendDouble(nil, wire.FieldValueDouble, v), true
	}
	return nil, false
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	for _, k := range c.kinds() {
		_, err := k.counter()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() (keys []string) {
	for _, k := range c.kinds() {
		if counter, err := k.counter(); err == nil {
			keys = append(keys, counter.conditions.MetadataKeys()...)
		}
	}
	return keys
}

// Component describes the connector.
func Component() pipeline.Component {
	return pipeline.Connector("count", Default, New,
		pipeline.Way{From: pipeline.Traces, To: pipeline.Metrics}, pipeline.Way{From: pipeline.Metrics, To: pipeline.Metrics},
		pipeline.Way{From: pipeline.Logs, To: pipeline.Metrics}).
		WithDoc("counts spans, span events, metrics, data points and log records as metrics")
}
