// Package actions are the actions on attributes of the Collector's processors attributes and resource, as statements in OTTL.
package actions

import (
	"fmt"
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
	fault(a.Key == "" && !(action == "delete" && a.Pattern != ""), `"key" is missing; write the attribute's name`)
	fault(!sets && (a.Value != nil || a.FromAttribute != "" || a.DefaultValue != nil || a.FromContext != ""),
		`%q takes neither "value", "from_attribute", "from_context" nor "default_value"; remove them`, action)
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
		fault(sources != 1, `write exactly one of "value", "from_attribute" and "from_context"`)
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
			return nil, []string{fmt.Sprintf(`the value is a %T; write a string, a bool or a number`, v)}
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
