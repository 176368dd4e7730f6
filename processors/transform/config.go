package transform

import (
	"errors"
	"fmt"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's transform processor.
type Config struct {
	// ErrorMode is ignore (report and go on), silent (go on) or propagate (reject the batch).
	ErrorMode string `mapstructure:"error_mode"`
	// LogStatements, MetricStatements and TraceStatements are lists of statements whose paths name their context
	// (log.body), or of blocks {context, conditions, statements, error_mode}.
	LogStatements    []any `mapstructure:"log_statements"`
	MetricStatements []any `mapstructure:"metric_statements"`
	TraceStatements  []any `mapstructure:"trace_statements"`
}

// Default changes nothing, which Validate refuses.
func Default() *Config { return &Config{ErrorMode: "ignore"} }

// statements are the blocks of a signal's key.
type statements struct {
	key    string
	blocks []ottl.Block
	paths  []string // of the blocks in the configuration
	flat   bool
	errs   []error
}

func (c *Config) of(s pipeline.Signal) statements {
	switch s {
	case pipeline.Logs:
		return c.read("log_statements", c.LogStatements)
	case pipeline.Metrics:
		return c.read("metric_statements", c.MetricStatements)
	}
	return c.read("trace_statements", c.TraceStatements)
}

func (c *Config) read(key string, list []any) statements {
	out := statements{key: key}
	mode, _ := ottl.ParseMode(c.ErrorMode)
	var flat []string
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", key, i)
		switch e := e.(type) {
		case string:
			flat = append(flat, e)
		case map[string]any:
			b, errs := ottl.ReadBlock(at, e, mode)
			out.errs = append(out.errs, errs...)
			out.blocks, out.paths = append(out.blocks, b), append(out.paths, at)
		default:
			out.errs = append(out.errs, fmt.Errorf("%q: write a statement or a block {context, statements}", at))
		}
	}
	switch {
	case len(flat) > 0 && len(out.blocks) > 0:
		out.errs = append(out.errs, fmt.Errorf("%q has statements beside blocks; write only one of both", key))
	case len(flat) > 0:
		out.flat = true
		out.blocks, out.paths = []ottl.Block{{Statements: flat, Mode: mode}}, []string{key}
	}
	return out
}

// program compiles the statements of a signal.
func (c *Config) program(s pipeline.Signal) (*ottl.Program, error) {
	read := c.of(s)
	if len(read.errs) > 0 {
		return nil, errors.Join(read.errs...)
	}
	program, faults := ottl.Compile(s, read.blocks)
	for _, f := range faults {
		at := read.paths[f.Block]
		if f.Index >= 0 {
			list := ".statements"
			if f.Condition {
				list = ".conditions"
			}
			if read.flat {
				list = ""
			}
			at = fmt.Sprintf("%s%s[%d]", at, list, f.Index)
		}
		read.errs = append(read.errs, fmt.Errorf("%q: %w", at, f))
	}
	return program, errors.Join(read.errs...)
}

// Validate reports every fault of every statement.
func (c *Config) Validate() error {
	var errs []error
	if _, ok := ottl.ParseMode(c.ErrorMode); !ok {
		errs = append(errs, fmt.Errorf(`"error_mode" is %q; write ignore, silent or propagate`, c.ErrorMode))
	}
	for _, s := range pipeline.Signals {
		_, err := c.program(s)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() (keys []string) {
	for _, s := range pipeline.Signals {
		if p, err := c.program(s); err == nil {
			keys = append(keys, p.MetadataKeys()...)
		}
	}
	return keys
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("transform", Default, New, pipeline.Signals[:]...).
		WithDoc("changes records by statements in OTTL, on the encoded bytes").
		WithUnsupported(map[string]string{
			"profile_statements": "profiles pass unchanged; remove the key",
			"flatten_data":       "remove the key; a resource that a log statement sets is set for the logs behind it, too",
		})
}
