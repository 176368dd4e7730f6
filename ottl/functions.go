package ottl

import (
	"maps"
	"slices"

	"github.com/sluiceio/sluice/ottl/syntax"
)

// A parameter of a function.
type parameter struct {
	name     string
	kind     argKind
	optional bool
}

type argKind uint8

const (
	argAny      argKind = iota
	argString           // must give a string
	argLike             // is made text
	argInt              // must give an integer
	argTime             // must give a time
	argMap              // must give a map
	argText             // a literal string
	argNumber           // a literal integer
	argFlag             // a literal bool
	argTexts            // a list whose elements give strings
	argLikes            // a list whose elements are made text
	argList             // a list of anything
	argWords            // a list of literal strings
	argPlace            // a path that can be set
	argMapPlace         // a path to a map that can be set
	argFunction         // the name of a converter of one string
	argNone             // not supported
)

// An argument is a parsed argument: what is needed of it depends on the parameter.
type argument struct {
	given bool
	at    int
	expression
	list   []expression
	text   string
	number int64
	flag   bool
	apply  getter // of argFunction: over the record's input
}

// A call is what a function is built from.
type call struct {
	*compiler
	at   int
	args []argument
}

// A function is an editor or converter.
type function struct {
	params []parameter
	editor func(call) action
	conv   func(call) getter
}

// An action changes the record.
type action func(*record) error

func p(name string, k argKind) parameter   { return parameter{name, k, false} }
func opt(name string, k argKind) parameter { return parameter{name, k, true} }

// registry are all functions. It is made on first use, since functions refer to it.
func registry(name string) (function, bool) {
	if f, ok := editors[name]; ok {
		return f, true
	}
	f, ok := converters[name]
	return f, ok
}

// Editors and Converters are the names of the functions, sorted.
func Editors() []string { return slices.Sorted(maps.Keys(editors)) }

// Converters is described at Editors.
func Converters() []string { return slices.Sorted(maps.Keys(converters)) }

func (c *compiler) editor(e *syntax.Call) action {
	f, ok := editors[e.Name]
	if !ok {
		f, ok = ownEditors[e.Name]
	}
	if !ok {
		if slices.Contains(foreign, e.Name) {
			c.fault(e.At(), "the editor %s is not supported", e.Name)
		} else {
			c.fault(e.At(), "unknown editor %s%s", e.Name, nearest(e.Name, Editors()))
		}
		return nil
	}
	cl, ok := c.arguments(e, f)
	if !ok {
		return nil
	}
	return f.editor(cl)
}

func (c *compiler) converter(e *syntax.Call) expression {
	f, ok := converters[e.Name]
	if !ok {
		f, ok = ownConverters[e.Name]
	}
	if !ok {
		if slices.Contains(foreign, e.Name) {
			c.fault(e.At(), "the converter %s is not supported", e.Name)
		} else {
			c.fault(e.At(), "unknown converter %s%s", e.Name, nearest(e.Name, Converters()))
		}
		return literal(value{})
	}
	before := len(c.faults)
	cl, ok := c.arguments(e, f)
	if !ok {
		return literal(value{})
	}
	get := f.conv(cl)
	if len(c.faults) > before {
		return literal(value{})
	}
	if keys := c.keys(e.Keys); len(keys) > 0 {
		return expression{get: func(r *record) (value, error) {
			v, err := get(r)
			if err != nil {
				return value{}, err
			}
			return r.indexed(v, keys)
		}}
	}
	return expression{get: get}
}

// arguments checks the arguments of a call against the parameters.
func (c *compiler) arguments(e *syntax.Call, f function) (call, bool) {
	cl := call{c, e.At(), make([]argument, len(f.params))}
	before := len(c.faults)
	named := false
	for i, a := range e.Args {
		at := i
		if a.Name != "" {
			named = true
			at = slices.IndexFunc(f.params, func(p parameter) bool { return p.name == a.Name })
			if at < 0 {
				var names []string
				for _, p := range f.params {
					names = append(names, p.name)
				}
				c.fault(a.At, "%s has no argument %s%s", e.Name, a.Name, nearest(a.Name, names))
				continue
			}
		} else if named {
			c.fault(a.At, "arguments without a name stand before those with one")
			continue
		}
		if at >= len(f.params) {
			c.fault(a.At, "%s takes at most %d arguments", e.Name, len(f.params))
			break
		}
		if cl.args[at].given {
			c.fault(a.At, "the argument %s is given twice", f.params[at].name)
			continue
		}
		cl.args[at] = c.argument(a, f.params[at].kind)
	}
	for i, p := range f.params {
		if !cl.args[i].given && !p.optional && len(c.faults) == before {
			c.fault(e.At(), "%s lacks the argument %s", e.Name, p.name)
		}
	}
	return cl, len(c.faults) == before
}

func (c *compiler) argument(a syntax.Arg, k argKind) argument {
	out := argument{given: true, at: a.Value.At()}
	switch k {
	case argNone:
		c.fault(out.at, "this argument is not supported")
		return out
	case argFunction:
		out.apply = c.named(a.Value)
		return out
	case argTexts, argLikes, argList, argWords:
		l, ok := a.Value.(*syntax.List)
		if !ok {
			c.fault(out.at, "expected a list in brackets, such as [\"a\", \"b\"]")
			return out
		}
		out.list = c.exprs(l.Values)
		for i, x := range out.list {
			if k == argWords && !(x.literal && x.val.kind == kindString) || k == argTexts && x.literal && x.val.kind != kindString {
				c.fault(l.Values[i].At(), "expected a string")
			}
		}
		return out
	}
	out.expression = c.expr(a.Value)
	want := map[argKind]kind{argString: kindString, argInt: kindInt, argTime: kindTime, argMap: kindMap}
	literals := map[argKind]kind{argText: kindString, argNumber: kindInt, argFlag: kindBool}
	switch {
	case k == argPlace || k == argMapPlace:
		c.target(&out)
	case literals[k] != kindNil:
		if !out.literal || out.val.kind != literals[k] {
			c.fault(out.at, "expected %s, written out", kindNames[literals[k]])
		}
		out.text, out.number, out.flag = string(out.val.b), out.val.int(), out.val.bool()
	case want[k] != kindNil && out.literal && out.val.kind != want[k]:
		c.fault(out.at, "expected %s, not %s", kindNames[want[k]], kindNames[out.val.kind])
	}
	return out
}

// named is a converter given by its name, with the record's input as its one argument.
func (c *compiler) named(e syntax.Expr) getter {
	name := ""
	switch e := e.(type) {
	case *syntax.Name:
		name = e.Name
	case *syntax.Enum:
		name = e.Name
	}
	f, ok := converters[name]
	switch {
	case name == "":
		c.fault(e.At(), "expected the name of a converter, such as SHA256")
	case !ok:
		c.fault(e.At(), "unknown converter %s%s", name, nearest(name, Converters()))
	case len(f.params) != 1 || f.params[0].kind != argString:
		c.fault(e.At(), "%s does not take one string", name)
	default:
		input := argument{given: true, at: e.At()}
		input.get = func(r *record) (value, error) { return textValue(r.input), nil }
		return f.conv(call{c, e.At(), []argument{input}})
	}
	return nil
}

func (c *compiler) target(a *argument) {
	switch {
	case a.place == nil:
		c.fault(a.at, "expected a path that can be set, such as attributes[\"key\"]")
	case a.place.fixed != "":
		c.fault(a.at, "%s", a.place.fixed)
	case a.place.slot != slotItem:
		c.outside = true
	}
}

// foreign are functions of contrib's that are not here.
var foreign = []string{
	"append", "delete_index", "flatten", "convert_sum_to_gauge", "convert_gauge_to_sum", "extract_count_metric",
	"extract_sum_metric", "extract_percentile_metric", "convert_summary_count_val_to_sum", "convert_summary_sum_val_to_sum",
	"convert_summary_quantile_val_to_gauge", "convert_exponential_histogram_to_histogram", "copy_metric", "scale_metric",
	"aggregate_on_attributes", "aggregate_on_attribute_value", "merge_histogram_buckets", "set_semconv_span_name", "stringify_all",
	"All", "Any", "Base64Decode", "Base64Encode", "Bool", "CommunityID", "ContainsValue",
	"ConvertAttributesToElementsXML", "ConvertTextToElementsXML", "Day", "Decode", "ExtractGrokPatterns",
	"Filter", "Find", "FNV", "GetXML", "Hex", "Hour", "Index", "InsertXML", "IsInCIDR",
	"IsValidLuhn", "Log", "ParseCEF", "ParseCLF", "ParseELF", "ParseLEEF", "Keys", "MapEach", "MapKeys", "MD5", "Minute", "Month",
	"Murmur3Hash", "Murmur3Hash128", "Nanosecond", "ParseCSV", "ParseInt", "ParseSeverity",
	"ParseSimplifiedXML", "ParseXML", "ProfileID", "Reduce", "RemoveXML", "Second", "SHA1", "SHA512", "SliceToMap",
	"Sort", "ToCamelCase", "ToKeyValueString", "ToSnakeCase", "TruncateTime", "URL", "UserAgent", "UUID", "UUIDv7", "Values",
	"Weekday", "When", "XXH128", "XXH3", "Year", "HasAttrOnDatapoint", "HasAttrKeyOnDatapoint",
}
