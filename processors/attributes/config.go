package attributes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/pipeline"
)

// Config has the keys of the Collector's attributes processor.
type Config struct {
	// Actions are applied in order, each to the result of the one before.
	Actions []Action `mapstructure:"actions"`
	// Include and Exclude choose records: those that Include matches, without those that Exclude matches.
	Include *Match `mapstructure:"include"`
	Exclude *Match `mapstructure:"exclude"`
}

// Action changes one attribute.
type Action struct {
	// Key is the attribute's name.
	Key string `mapstructure:"key"`
	// Action is insert (if absent), update (if present), upsert, delete, hash, extract or convert.
	Action string `mapstructure:"action"`
	// Value is a string, bool, integer or number.
	Value any `mapstructure:"value"`
	// FromAttribute copies another attribute's value; if it is absent, DefaultValue counts, else nothing is done.
	FromAttribute string `mapstructure:"from_attribute"`
	DefaultValue  any    `mapstructure:"default_value"`
	// FromContext copies what came with the request: metadata.HEADER or client.address.
	FromContext string `mapstructure:"from_context"`
	// Pattern is a regular expression: of extract with a named group for each new attribute, of delete for keys.
	Pattern string `mapstructure:"pattern"`
	// ConvertedType is int, double or string.
	ConvertedType string `mapstructure:"converted_type"`
}

// Default has no actions, which Validate refuses.
func Default() *Config { return &Config{} }

var contexts = map[pipeline.Signal]string{pipeline.Logs: "log", pipeline.Traces: "span", pipeline.Metrics: "datapoint"}

// program translates the actions into statements.
func (c *Config) program(s pipeline.Signal) (*ottl.Program, error) {
	var errs []error
	block := ottl.Block{Context: contexts[s], Mode: ottl.Silent}
	var from []int // the action of each statement
	for i := range c.Actions {
		list, faults := c.Actions[i].statements()
		for _, f := range faults {
			errs = append(errs, fmt.Errorf(`"actions[%d]": %s`, i, f))
		}
		for range list {
			from = append(from, i)
		}
		block.Statements = append(block.Statements, list...)
	}
	condition, faults := c.condition(s)
	errs = append(errs, faults...)
	if condition != "" {
		block.Conditions = []string{condition}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	program, wrong := ottl.Compile(s, []ottl.Block{block})
	for _, f := range wrong {
		at := `"include" or "exclude"`
		if !f.Condition && f.Index >= 0 {
			at = fmt.Sprintf(`"actions[%d]"`, from[f.Index])
		}
		errs = append(errs, fmt.Errorf("%s: %w", at, f))
	}
	return program, errors.Join(errs...)
}

// Validate reports every fault by its key.
func (c *Config) Validate() error {
	if len(c.Actions) == 0 {
		return errors.New(`"actions" is empty; list at least one {key, action}`)
	}
	var errs []error
	for i := range c.Actions {
		_, faults := c.Actions[i].statements()
		for _, f := range faults {
			errs = append(errs, fmt.Errorf(`"actions[%d]": %s`, i, f))
		}
	}
	for _, s := range pipeline.Signals {
		if _, faults := c.condition(s); len(faults) > 0 {
			return errors.Join(append(errs, faults...)...)
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	_, err := c.program(pipeline.Logs)
	return err
}

// quote is a text as OTTL writes it.
func quote(text string) string { return strconv.Quote(text) }

func path(key string) string { return "attributes[" + quote(key) + "]" }

// statements are the action in OTTL, and what is wrong in it.
func (a *Action) statements() (list, faults []string) {
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	action := strings.ToLower(a.Action)
	sets := slices.Contains([]string{"insert", "update", "upsert"}, action)
	fault(a.Key == "" && !(action == "delete" && a.Pattern != ""), `"key" is missing; write the attribute's name`)
	fault(!sets && (a.Value != nil || a.FromAttribute != "" || a.DefaultValue != nil || a.FromContext != ""),
		"%q uses neither value, from_attribute, from_context nor default_value", action)
	fault(action != "convert" && a.ConvertedType != "", `"converted_type" is used by convert only`)
	fault(sets && a.Pattern != "", `"pattern" is used by extract and delete only`)
	_, err := regexp.Compile(a.Pattern)
	fault(err != nil, `"pattern" is no regular expression: %v`, err)
	p := path(a.Key)
	switch {
	case sets:
		sources := 0
		for _, given := range []bool{a.Value != nil, a.FromAttribute != "", a.FromContext != ""} {
			if given {
				sources++
			}
		}
		fault(sources != 1, `write one of "value", "from_attribute" and "from_context"`)
		if len(faults) > 0 {
			return nil, faults
		}
		return a.setting(action, p)
	case action == "delete":
		if a.Key != "" {
			list = append(list, "delete_key(attributes, "+quote(a.Key)+")")
		}
		if a.Pattern != "" {
			list = append(list, "delete_matching_keys(attributes, "+quote(a.Pattern)+")")
		}
	case action == "hash":
		fault(a.Pattern != "", `"pattern" of hash is not supported; list the keys`)
		list = []string{
			fmt.Sprintf("set(%s, SHA256(%s)) where IsString(%s)", p, p, p),
		}
		// Numbers and bools: their text, before a string that is a hash could be taken for one.
		list = append([]string{fmt.Sprintf("set(%s, String(%s)) where IsInt(%s) or IsDouble(%s) or IsBool(%s)", p, p, p, p, p)}, list...)
	case action == "extract":
		if re, err := regexp.Compile(a.Pattern); err == nil {
			names := re.SubexpNames()
			fault(a.Pattern == "" || len(names) < 2 || slices.Contains(names[1:], ""), `"pattern" of extract needs a name for each of its groups, as in (?P<name>.*)`)
		}
		list = []string{fmt.Sprintf(`merge_maps(attributes, ExtractPatterns(%s, %s), "upsert") where IsString(%s)`, p, quote(a.Pattern), p)}
	case action == "convert":
		converter, ok := map[string]string{"int": "Int", "double": "Double", "string": "String"}[a.ConvertedType]
		fault(!ok, `"converted_type" is %q; write int, double or string`, a.ConvertedType)
		list = []string{fmt.Sprintf("set(%s, %s(%s)) where %s != nil and %s(%s) != nil", p, converter, p, p, converter, p)}
	default:
		fault(true, `"action" is %q; write insert, update, upsert, delete, hash, extract or convert`, a.Action)
	}
	return list, faults
}

// setting is an insert, update or upsert.
func (a *Action) setting(action, p string) (list, faults []string) {
	where := map[string]string{"insert": p + " == nil", "update": p + " != nil", "upsert": ""}[action]
	add := func(value string, also ...string) {
		s := fmt.Sprintf("set(%s, %s)", p, value)
		if where != "" {
			also = append([]string{where}, also...)
		}
		if len(also) > 0 {
			s += " where " + strings.Join(also, " and ")
		}
		list = append(list, s)
	}
	for _, v := range []any{a.Value, a.DefaultValue} {
		if _, ok := literal(v); v != nil && !ok {
			return nil, []string{"the value is no text, bool or number"}
		}
	}
	if a.Value != nil {
		text, _ := literal(a.Value)
		add(text)
		return list, nil
	}
	from := path(a.FromAttribute)
	if a.FromContext != "" {
		var fault string
		if from, fault = ottl.FromContext(a.FromContext); fault != "" {
			return nil, []string{fault}
		}
	}
	if a.DefaultValue != nil {
		text, _ := literal(a.DefaultValue)
		add(text, from+" == nil")
	}
	add(from, from+" != nil")
	return list, nil
}

// literal is a value as OTTL writes it.
func literal(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return quote(v), true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case uint64:
		return strconv.FormatUint(v, 10), true
	case float64:
		text := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text, true
	}
	return "", false
}

// Component describes the processor.
func Component() pipeline.Component {
	return pipeline.Processor("attributes", Default, New, pipeline.Signals[:]...).
		WithDoc("inserts, changes, removes, hashes and extracts attributes of records, on the encoded bytes")
}

// AsksMetadata implements pipeline.MetadataUser.
func (c *Config) AsksMetadata() []string {
	program, err := c.program(pipeline.Logs)
	if err != nil {
		return nil
	}
	return program.MetadataKeys()
}
