// Package actions are the actions on attributes of the Collector's processors attributes and resource, as statements in OTTL.
package actions

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluiceio/sluice/ottl"
	"github.com/sluiceio/sluice/wire"
)

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

// Compile makes the program of a list of actions, which is under a key of the configuration, for records of a context for which
// the condition holds; an empty one always does. The errors name the actions.
func Compile(s wire.Signal, context, condition, key string, list []Action) (*ottl.Program, []error) {
	block := ottl.Block{Context: context, Mode: ottl.Silent}
	if condition != "" {
		block.Conditions = []string{condition}
	}
	errs := Faults(key, list)
	if len(errs) > 0 {
		return nil, errs
	}
	var from []int // the action of each statement
	for i := range list {
		statements, _ := list[i].Statements()
		for range statements {
			from = append(from, i)
		}
		block.Statements = append(block.Statements, statements...)
	}
	program, wrong := ottl.Compile(s, []ottl.Block{block})
	for _, f := range wrong {
		at := `"include" or "exclude"`
		if !f.Condition && f.Index >= 0 {
			at = fmt.Sprintf(`"%s[%d]"`, key, from[f.Index])
		}
		errs = append(errs, fmt.Errorf("%s: %w", at, f))
	}
	return program, errs
}

// Faults says what is wrong in a list of actions, by the place below a key of the configuration.
func Faults(key string, list []Action) (errs []error) {
	for i := range list {
		_, faults := list[i].Statements()
		for _, f := range faults {
			errs = append(errs, fmt.Errorf(`"%s[%d]": %s`, key, i, f))
		}
	}
	return errs
}

var plain = map[string]wire.AttributeAction{
	"insert": wire.InsertAttribute, "update": wire.UpdateAttribute, "upsert": wire.UpsertAttribute, "delete": wire.DeleteAttribute,
}

// Plain is a list of actions without OTTL, at half its cost; nil if one needs it.
func Plain(list []Action) *wire.AttributeEdit {
	var operations []wire.AttributeOperation
	for _, a := range list {
		o := wire.AttributeOperation{Action: plain[strings.ToLower(a.Action)], Key: a.Key, From: a.FromAttribute}
		switch v := a.Value.(type) {
		case nil:
		case string:
			o.Value = wire.StringValue(v)
		case bool:
			o.Value = wire.BoolValue(v)
		case int:
			o.Value = wire.IntValue(int64(v))
		case int64:
			o.Value = wire.IntValue(v)
		case float64:
			o.Value = wire.DoubleValue(v)
		default:
			return nil
		}
		if o.Action == 0 || a.Pattern != "" || a.DefaultValue != nil || a.FromContext != "" {
			return nil
		}
		operations = append(operations, o)
	}
	edit, err := wire.NewAttributeEdit(operations...)
	if err != nil {
		return nil
	}
	return edit
}

// quote is a text as OTTL writes it.
func quote(text string) string { return strconv.Quote(text) }

func path(key string) string { return "attributes[" + quote(key) + "]" }

// Statements are the action in OTTL, and what is wrong in it.
func (a *Action) Statements() (list, faults []string) {
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	action := strings.ToLower(a.Action)
	sets := slices.Contains([]string{"insert", "update", "upsert"}, action)
	fault(a.Key == "" && !((action == "delete" || action == "hash") && a.Pattern != ""), `"key" is missing; write the attribute's name`)
	known := sets || slices.Contains([]string{"delete", "hash", "extract", "convert"}, action)
	fault(known && !sets && (a.Value != nil || a.FromAttribute != "" || a.DefaultValue != nil || a.FromContext != ""),
		`%q takes neither "value", "from_attribute", "from_context" nor "default_value"; remove them`, action)
	fault(known && action != "convert" && a.ConvertedType != "", `"converted_type" is used by convert only`)
	fault((sets || action == "convert") && a.Pattern != "", `"pattern" is used by extract, delete and hash only`)
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
		fault(sources > 1 || sources == 0 && a.DefaultValue == nil, `write exactly one of "value", "from_attribute" and "from_context", or a "default_value"`)
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
		if a.Key != "" {
			list = append(list, "hash_key(attributes, "+quote(a.Key)+")")
		}
		if a.Pattern != "" {
			list = append(list, "hash_matching_keys(attributes, "+quote(a.Pattern)+")")
		}
	case action == "extract":
		if re, err := regexp.Compile(a.Pattern); err == nil {
			names := re.SubexpNames()
			fault(a.Pattern == "" || len(names) < 2 || slices.Contains(names[1:], ""), `"pattern" of extract needs a name for each of its groups, as in (?P<name>.*)`)
		}
		list = []string{fmt.Sprintf(`merge_maps(attributes, ExtractPatterns(%s, %s), "upsert") where IsString(%s)`, p, quote(a.Pattern), p)}
	case action == "convert":
		fault(!slices.Contains([]string{"int", "double", "string"}, a.ConvertedType), `"converted_type" is %q; write int, double or string`, a.ConvertedType)
		list = []string{"convert_key(attributes, " + quote(a.Key) + ", " + quote(a.ConvertedType) + ")"}
	default:
		fault(true, `"action" is %q; write insert, update, upsert, delete, hash, extract or convert`, a.Action)
	}
	return list, faults
}

// setting is an insert, update or upsert.
func (a *Action) setting(action, p string) (list, faults []string) {
	has := func(key string) string { return "HasKey(attributes, " + quote(key) + ")" }
	where := map[string]string{"insert": "not " + has(a.Key), "update": has(a.Key)}[action]
	add := func(statement string, also string) {
		conditions := slices.DeleteFunc([]string{where, also}, func(c string) bool { return c == "" })
		if len(conditions) > 0 {
			statement += " where " + strings.Join(conditions, " and ")
		}
		list = append(list, statement)
	}
	set := func(value string) string { return "set(" + p + ", " + value + ")" }
	var texts [2]string
	for i, v := range []any{a.Value, a.DefaultValue} {
		var ok bool
		if texts[i], ok = literal(v); v != nil && !ok {
			return nil, []string{`the value is neither a string, a bool, a number, a list nor a map of these; write one`}
		}
	}
	value, instead := texts[0], texts[1]
	switch {
	case a.Value != nil:
		add(set(value), "")
		return list, nil
	case a.FromContext != "":
		from, fault := ottl.FromContext(a.FromContext)
		if fault != "" {
			return nil, []string{fault}
		}
		if a.DefaultValue != nil {
			add(set(instead), from+" == nil")
		}
		add(set(from), from+" != nil")
	case a.FromAttribute != "":
		if a.DefaultValue != nil {
			add(set(instead), "not "+has(a.FromAttribute))
		}
		add("copy_key(attributes, "+quote(a.FromAttribute)+", "+quote(a.Key)+")", has(a.FromAttribute))
	default:
		add(set(instead), "")
	}
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
	case []any:
		return joined("[", "]", len(v), func(i int) (string, bool) { return literal(v[i]) })
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		return joined("{", "}", len(keys), func(i int) (string, bool) {
			text, ok := literal(v[keys[i]])
			return quote(keys[i]) + ": " + text, ok
		})
	}
	return "", false
}

func joined(from, to string, n int, part func(int) (string, bool)) (text string, ok bool) {
	var parts []string
	for i := range n {
		p, ok := part(i)
		if !ok {
			return "", false
		}
		parts = append(parts, p)
	}
	return from + strings.Join(parts, ", ") + to, true
}
