package routing

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's routing connector.
type Config struct {
	// DefaultPipelines get what no route has taken. Without them it is dropped as unrouted.
	DefaultPipelines []string `mapstructure:"default_pipelines"`
	// ErrorMode says what a condition with an error does: it does not hold, and that is reported (ignore) or not (silent);
	// or the batch is rejected (propagate).
	ErrorMode string `mapstructure:"error_mode"`
	// Table is the routes, which are asked in order.
	Table []Route `mapstructure:"table"`
}

// Route is an entry of the table.
type Route struct {
	// Context is what the condition is about: resource, scope, log, span, metric, datapoint or request. Without it the paths
	// name it, and it is resource if they do not.
	Context string `mapstructure:"context"`
	// Condition is in OTTL; with the context request it is request["header"] == "value", or !=.
	Condition string `mapstructure:"condition"`
	// Statement is another way to write a condition: route() where CONDITION.
	Statement string `mapstructure:"statement"`
	// Pipelines get what the condition holds for.
	Pipelines []string `mapstructure:"pipelines"`
	// Action is move, or copy: the routes behind are asked all the same.
	Action string `mapstructure:"action"`
}

// Default has no table, which Validate refuses.
func Default() *Config { return &Config{ErrorMode: "ignore"} }

const copies = "copy"

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	var errs []error
	if len(c.Table) == 0 {
		errs = append(errs, errors.New(`"table" is empty; list at least one {condition, pipelines}`))
	}
	if _, ok := ottl.ParseMode(c.ErrorMode); !ok {
		errs = append(errs, fmt.Errorf(`"error_mode" is %q; write ignore, silent or propagate`, c.ErrorMode))
	}
	errs = append(errs, named("default_pipelines", c.DefaultPipelines)...)
	for i := range c.Table {
		r := &c.Table[i]
		at := fmt.Sprintf("table[%d]", i)
		if len(r.Pipelines) == 0 {
			errs = append(errs, fmt.Errorf(`"%s.pipelines" is empty; name at least one pipeline`, at))
		}
		errs = append(errs, named(at+".pipelines", r.Pipelines)...)
		if !slices.Contains([]string{"", "move", copies}, r.Action) {
			errs = append(errs, fmt.Errorf(`"%s.action" is %q; write move or copy`, at, r.Action))
		}
		if err := r.check(at); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func named(at string, pipelines []string) (errs []error) {
	for i, name := range pipelines {
		switch _, err := pipeline.ParseID(name); {
		case err != nil:
			errs = append(errs, fmt.Errorf("%q: %w", at, err))
		case slices.Contains(pipelines[:i], name):
			errs = append(errs, fmt.Errorf("%q names %s twice; take one out", at, name))
		}
	}
	return errs
}

// check compiles the condition for any signal that has its context. The fault is that of the signal of the pipelines.
func (r *Route) check(at string) error {
	if r.Context == request {
		_, err := r.header(at)
		return err
	}
	block, err := r.block(at)
	if err != nil {
		return err
	}
	var first error
	own := false // first is of the signal of the pipelines
	for _, s := range pipeline.Signals {
		_, faults := compile(s, ottl.Ignore, block)
		if len(faults) == 0 {
			return nil
		}
		if first == nil || r.leads(s) || !own && slices.Contains(contexts(s), block.Context) {
			first, own = fmt.Errorf("%q: %w", at, faults[0]), r.leads(s)
		}
	}
	return first
}

// leads reports whether the pipelines are of the signal, by their names.
func (r *Route) leads(s pipeline.Signal) bool {
	typ, _, _ := strings.Cut(strings.Join(r.Pipelines, ""), "/")
	return typ == s.String()
}

func contexts(s pipeline.Signal) (out []string) {
	for _, c := range ottl.ContextsOf(s) {
		out = append(out, c.String())
	}
	return out
}

var statement = regexp.MustCompile(`(?s)^\s*route\s*\(\s*\)\s*(?:where\s+(.*))?$`)

// block is the condition in OTTL.
func (r *Route) block(at string) (ottl.Block, error) {
	b := ottl.Block{Context: r.Context}
	switch parts := statement.FindStringSubmatch(r.Statement); {
	case (r.Condition == "") == (r.Statement == ""):
		return b, fmt.Errorf(`"%s": write one of "condition" and "statement"`, at)
	case r.Condition != "":
		b.Conditions = []string{r.Condition}
	case parts == nil:
		return b, fmt.Errorf(`"%s.statement" is not "route() where ..."; change records by a processor of the pipelines`, at)
	case parts[1] != "":
		b.Conditions = []string{parts[1]}
	}
	return b, nil
}

// compile compiles a condition. Paths without a prefix are the resource's where no context is given, as in contrib.
func compile(s pipeline.Signal, mode ottl.Mode, blocks ...ottl.Block) (*ottl.Conditions, []ottl.Fault) {
	blocks = slices.Clone(blocks)
	for i, b := range blocks {
		blocks[i].Mode = mode
		if b.Context != "" {
			continue
		}
		if _, faults := ottl.CompileConditions(s, ottl.ContextsOf(s)[0], blocks[i:i+1]); len(faults) > 0 {
			older := b
			older.Context = "resource"
			if _, faults := ottl.CompileConditions(s, ottl.Resource, []ottl.Block{older}); len(faults) == 0 {
				blocks[i].Context = "resource"
			}
		}
	}
	return ottl.CompileConditions(s, recordOf[s], blocks)
}

// recordOf is what is routed of a signal.
var recordOf = map[pipeline.Signal]ottl.Context{pipeline.Logs: ottl.Log, pipeline.Traces: ottl.Span, pipeline.Metrics: ottl.DataPoint}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() (keys []string) {
	for i := range c.Table {
		r := &c.Table[i]
		if r.Context == request {
			if h, err := r.header(""); err == nil {
				keys = append(keys, h.name)
			}
			continue
		}
		b, _ := r.block("")
		for _, s := range pipeline.Signals {
			if compiled, faults := compile(s, ottl.Ignore, b); len(faults) == 0 {
				keys = append(keys, compiled.MetadataKeys()...)
			}
		}
	}
	return keys
}

// request is the context of conditions about headers.
const request = "request"

// A header is a condition about a header of the request.
type header struct {
	name, value string
	equal       bool
}

var headerCondition = regexp.MustCompile(`^\s*request\s*\[\s*"([^"]+)"\s*\]\s*(==|!=)\s*"([^"]*)"\s*$`)

func (r *Route) header(at string) (header, error) {
	if r.Condition == "" || r.Statement != "" {
		return header{}, fmt.Errorf(`"%s": the context request needs a "condition", and no "statement"`, at)
	}
	m := headerCondition.FindStringSubmatch(r.Condition)
	if m == nil {
		return header{}, fmt.Errorf(`"%s.condition": write request["header"] == "value", or !=`, at)
	}
	return header{name: strings.ToLower(m[1]), equal: m[2] == "==", value: m[3]}, nil
}

// holds reports whether any value of the header is, or is not, the one. Without the header neither holds.
func (h *header) holds(m pipeline.Metadata) bool {
	return slices.ContainsFunc(m.Values(h.name), func(v string) bool { return (v == h.value) == h.equal })
}

// Component describes the connector.
func Component() pipeline.Component {
	return pipeline.Connector("routing", Default, New, pipeline.SameSignal()...).
		WithDoc("gives each record to the pipelines whose condition in OTTL holds for it").
		WithUnsupported(map[string]string{"match_once": "the first route that holds takes the record; write action: copy to go on, and remove the key"})
}
