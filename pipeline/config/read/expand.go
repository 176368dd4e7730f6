package read

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/confmap/provider/yamlprovider"
	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.yaml.in/yaml/v3"
)

// Resolved is a configuration merged and expanded, but not decoded.
type Resolved struct {
	Tree *Node
	Raw  map[string]any // with the two readings of each ${...} (xconfmap.ExpandedValue) still beside each other

	// Hidden are the texts that came from a file, or from a variable with the name of a secret, whatever their keys are called.
	Hidden []string
}

// Resolve reads, merges and expands. broken means that decoding the rest is pointless.
func Resolve(ctx context.Context, src Sources, r *Report) (res Resolved, broken bool) {
	layers := readLayers(src, r)
	if len(r.Faults) > 0 {
		return Resolved{}, true
	}
	res.Tree = &Node{embedded: true}
	for _, l := range layers {
		if l.root == nil {
			continue
		}
		g := grower{layer: l, Report: r}
		res.Tree.merge(g.grow("", l.root, &yaml.Node{}, nil))
		if !l.noLines {
			res.Tree.Place.File = l.name
		}
	}
	x := expander{ctx: ctx, Report: r, lookup: src.lookup}
	x.check(res.Tree, res.Tree, nil)
	res.Hidden = x.hidden

	var values []map[string]any
	for _, l := range layers {
		var value map[string]any
		if l.root != nil {
			if err := l.root.Decode(&value); err != nil {
				l.syntax(err, r)
				return res, true
			}
		}
		values = append(values, value)
	}
	conf, err := x.Resolve(values)
	if err != nil {
		r.Fault(At{}, "%s", expandFault(err, nil))
		return res, true
	}
	res.Raw = xconfmap.ToStringMapRaw(conf)
	x.keepText(res.Tree, res.Raw)
	return res, false
}

// bareVariable is a shell-style variable. Lower-case names may be groups of a regular expression.
var bareVariable = regexp.MustCompile(`(?:^|[^$])\$([A-Z_][A-Z0-9_]+)`)

// wholeVariable is a value that is one environment variable, with an optional default.
var wholeVariable = regexp.MustCompile(`^\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}$`)

// keepText keeps the text of a variable like "a: b" beside its value: the resolver makes a map of it, but a label
// or header wants the text.
func (x *expander) keepText(n *Node, value any) any {
	switch v := value.(type) {
	case map[string]any:
		if n.value != nil && n.value.Kind == yaml.ScalarNode {
			if m := wholeVariable.FindStringSubmatch(n.value.Value); m != nil {
				value, _ := x.lookup(m[1])
				text := cmp.Or(value, m[2])
				if !strings.ContainsAny(text, "\n") && !strings.HasPrefix(strings.TrimSpace(text), "{") {
					return xconfmap.ExpandedValue{Value: v, Original: text}
				}
			}
			return v
		}
		for _, kid := range n.Kids {
			if item, is := v[kid.Key]; is {
				v[kid.Key] = x.keepText(kid, item)
			}
		}
	case []any:
		for i := range v {
			if kid := n.Child(strconv.Itoa(i)); kid != nil {
				v[i] = x.keepText(kid, v[i])
			}
		}
	}
	return value
}

var errCircle = errors.New("a value expands to itself")

// expander checks each ${...} with its own resolver run: the Collector's resolver stops at the first error and does
// not say where it is.
type expander struct {
	ctx    context.Context
	Report *Report
	lookup func(name string) (value string, set bool)
	unset  []string // variables that the last resolve found unset
	hidden []string
}

func (x *expander) check(root, n *Node, path []string) {
	for _, kid := range n.Kids {
		x.check(root, kid, Extend(path, kid.Key))
	}
	v := n.value
	if v == nil || v.Kind != yaml.ScalarNode || v.ShortTag() != "!!str" {
		return
	}
	if m := bareVariable.FindStringSubmatch(v.Value); m != nil {
		x.Report.Warn(root.At(path...), "$%s stays as it is written; write ${env:%s} for the environment variable, or $$%s if that is the text", m[1], m[1], m[1])
	}
	if !strings.Contains(v.Value, "${") {
		return
	}
	x.unset = nil
	refs, skipped := references(v.Value)
	x.hide(refs)
	err := errCircle
	if round := (&circles{x.content, map[string]bool{}, map[string]bool{}}); !round.in(v.Value) {
		_, err = x.Resolve([]map[string]any{{"value": v.Value}})
	}
	if err != nil {
		x.Report.Fault(root.At(path...), "%s", expandFault(err, refs))
		// Null, so that the rest can be decoded.
		n.broken = true
		v.Tag, v.Value, v.Style = "!!null", "null", 0
		return
	}
	if len(skipped) > 0 {
		x.Report.Warn(root.At(path...), "%s is not expanded, because an escaped $${ stands before it; put the value into two keys, or the escaped part into a variable", bare(skipped))
	}
	for _, name := range x.unset {
		x.Report.Warn(root.At(path...), "environment variable %s is not set, so the value is empty; set it, or write ${env:%s:-default}", name, name)
	}
}

// hide notes what is not to be shown of what references stand for: one line of a file, as secrets are mounted, and what a
// variable with the name of a secret holds.
func (x *expander) hide(refs []string) {
	for _, ref := range refs {
		uri := ref[2 : len(ref)-1]
		scheme, name, found := strings.Cut(uri, ":")
		name, _, _ = strings.Cut(name, ":-")
		if !found || strings.HasPrefix(name, "-") {
			scheme, name = "env", scheme
		}
		text := strings.TrimSpace(x.content(uri))
		if scheme == "file" && !strings.Contains(text, "\n") || scheme == "env" && IsSecretName(name) {
			x.hidden = append(x.hidden, text)
		}
	}
}

// Resolve runs the Collector's resolver over the values of the layers.
func (x *expander) Resolve(values []map[string]any) (*confmap.Conf, error) {
	settings := confmap.ResolverSettings{
		DefaultScheme: "env",
		ProviderFactories: []confmap.ProviderFactory{
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return layerProvider{values} }),
			confmap.NewProviderFactory(func(confmap.ProviderSettings) confmap.Provider { return envProvider{x} }),
			fileprovider.NewFactory(),
			yamlprovider.NewFactory(),
		},
	}
	for i := range values {
		settings.URIs = append(settings.URIs, fmt.Sprintf("%s:%d", layerScheme, i))
	}
	if len(values) == 0 {
		return confmap.New(), nil
	}
	resolver, err := confmap.NewResolver(settings)
	if err != nil {
		return nil, err
	}
	conf, err := resolver.Resolve(x.ctx)
	return conf, errors.Join(err, resolver.Shutdown(x.ctx))
}

const layerScheme = "sluice-layer"

type layerProvider struct{ values []map[string]any }

func (p layerProvider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	i, err := strconv.Atoi(strings.TrimPrefix(uri, layerScheme+":"))
	if err != nil || i < 0 || i >= len(p.values) {
		return nil, fmt.Errorf("scheme %q is not supported for uri %q", layerScheme, uri)
	}
	if p.values[i] == nil {
		return confmap.NewRetrieved(nil)
	}
	return confmap.NewRetrieved(p.values[i])
}

func (layerProvider) Scheme() string                 { return layerScheme }
func (layerProvider) Shutdown(context.Context) error { return nil }

// envProvider is as the Collector's, over the variables of the sources; it remembers unset ones without a default.
type envProvider struct{ x *expander }

// variableName is what the Collector allows.
var variableName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (p envProvider) Retrieve(_ context.Context, uri string, _ confmap.WatcherFunc) (*confmap.Retrieved, error) {
	name, fallback, defaulted := strings.Cut(strings.TrimPrefix(uri, "env:"), ":-")
	if !variableName.MatchString(name) {
		return nil, fmt.Errorf("environment variable %q has invalid name", name)
	}
	value, set := p.x.lookup(name)
	switch {
	case set:
	case !defaulted:
		p.x.unset = append(p.x.unset, name)
	case fallback == "":
		return confmap.NewRetrieved("") // of an empty YAML text it would make nil
	default:
		value = fallback
	}
	return confmap.NewRetrievedFromYAML([]byte(value))
}

func (envProvider) Scheme() string                 { return "env" }
func (envProvider) Shutdown(context.Context) error { return nil }

// references lists the unescaped ${...} of a value, innermost if nested. skipped are those after an escaped one,
// where the Collector stops.
func references(value string) (refs, skipped []string) {
	escaped := false
	for {
		end := strings.IndexByte(value, '}')
		if end < 0 {
			return refs, skipped
		}
		start := strings.LastIndex(value[:end], "${")
		dollars := 0
		if start >= 0 {
			dollars = start - len(strings.TrimRight(value[:start], "$"))
		}
		switch {
		case start < 0:
		case dollars%2 == 1:
			escaped = true
		case escaped:
			skipped = append(skipped, value[start:end+1])
		default:
			refs = append(refs, value[start:end+1])
		}
		value = value[end+1:]
	}
}

// circles finds values that refer to themselves through variables and files. The Collector's resolver would follow
// them a thousand times, doubling each time if a variable names itself twice.
type circles struct {
	content     func(uri string) string
	open, clean map[string]bool
}

func (c *circles) in(value string) bool {
	refs, _ := references(value)
	for _, ref := range refs {
		uri := ref[2 : len(ref)-1]
		if c.open[uri] || strings.HasPrefix(uri, layerScheme+":") {
			return true
		}
		if c.clean[uri] {
			continue
		}
		c.open[uri] = true
		if c.in(c.content(uri)) {
			return true
		}
		delete(c.open, uri)
		c.clean[uri] = true
	}
	return false
}

// content is what a reference expands to; empty if the resolver will refuse it.
func (x *expander) content(uri string) string {
	scheme, rest, found := strings.Cut(uri, ":")
	if !found || strings.HasPrefix(rest, "-") && scheme != "env" {
		scheme, rest = "env", uri
	}
	switch scheme {
	case "env":
		name, fallback, _ := strings.Cut(rest, ":-")
		if value, set := x.lookup(name); set {
			return value
		}
		return fallback
	case "file":
		text, _ := os.ReadFile(rest) // the resolver reports the error
		return string(text)
	case "yaml":
		return rest
	}
	return ""
}

// bare prints references without defaults, which may be secrets.
func bare(refs []string) string {
	var names []string
	for _, ref := range refs {
		name, _, _ := strings.Cut(strings.TrimSuffix(ref, "}"), ":-")
		names = append(names, name+"}")
	}
	return strings.Join(names, ", ")
}

// expandFault rewords an error of the resolver, whose text may contain secret values.
func expandFault(err error, refs []string) string {
	what := bare(refs)
	if what == "" {
		what = "a value"
	}
	var p *fs.PathError
	text := err.Error()
	switch {
	case errors.As(err, &p):
		return fmt.Sprintf("cannot expand %s: %s; correct the path, or write $$ for a literal $", what, p.Err)
	case strings.Contains(text, "has invalid name"):
		return fmt.Sprintf("cannot expand %s: that is not the name of an environment variable; for a literal text write $%s", what, what)
	case strings.Contains(text, "is not supported for uri"):
		return fmt.Sprintf("cannot expand %s: the schemes are env, file and yaml; for a literal text write $%s", what, what)
	case errors.Is(err, errCircle):
		return fmt.Sprintf("cannot expand %s: it expands to itself; break the loop", what)
	case strings.Contains(text, "unsupported characters ('$')"), strings.Contains(text, "invalid uri"):
		return fmt.Sprintf("cannot expand %s: it is not ${SCHEME:NAME}; for a literal text write $%s", what, what)
	}
	return fmt.Sprintf("cannot expand %s: it does not give a value that can stand here", what)
}
