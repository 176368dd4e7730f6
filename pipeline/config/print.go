package config

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// Print returns the merged and expanded configuration as YAML, in file order, with secrets redacted: configopaque
// values, keys with the name of a secret, and passwords in URLs. Otherwise it can be loaded again: a literal $ is
// written $$. It does not validate; an error is a read.Faults about sources that cannot be read, merged or
// expanded.
func Print(ctx context.Context, src read.Sources, components []pipeline.Component) ([]byte, error) {
	found := &read.Report{}
	res, _ := read.Resolve(ctx, src, found)
	if _, faults := found.Finish(nil); len(faults) > 0 {
		return nil, faults
	}
	p := printer{loader{Reader: &read.Reader{Report: found, Resolved: res}, components: components}, read.Redactor(res.Hidden)}
	root := &yaml.Node{Kind: yaml.MappingNode}
	names := append([]string{}, sectionNames...)
	for _, name := range append(names, read.OrderedKeys(res.Tree, res.Raw)...) {
		if value, ok := res.Raw[name]; ok {
			delete(res.Raw, name)
			root.Content = append(root.Content, scalarNode(name), p.Section(name, value))
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("cannot write the configuration: %w", err)
	}
	return out.Bytes(), enc.Close()
}

// printer makes YAML of a resolved configuration.
type printer struct {
	loader
	hidden *strings.Replacer
}

// Section prints a section, using the types of its components to find secrets.
func (p *printer) Section(name string, value any) *yaml.Node {
	n := p.Tree.Child(name)
	if name == "service" {
		return p.value(value, n, read.Secrecy{Shape: read.ShapeOf(reflect.TypeFor[serviceKeys]())})
	}
	m, isMap := read.Unwrap(value).(map[string]any)
	if !isMap {
		return p.value(value, n, read.Secrecy{})
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range read.OrderedKeys(n, m) {
		var s read.Secrecy
		typ, _, _ := strings.Cut(key, "/")
		for _, kind := range kinds {
			if c, ok := p.component(kind, typ); ok && sectionOf(kind) == name {
				s.Shape = read.ShapeOf(reflect.TypeOf(c.Default()))
			}
		}
		out.Content = append(out.Content, scalarNode(key), p.value(m[key], n.Child(key), s))
	}
	return out
}

func (p *printer) value(value any, n *read.Node, s read.Secrecy) *yaml.Node {
	switch v := read.Unwrap(value).(type) {
	case map[string]any:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range read.OrderedKeys(n, v) {
			out.Content = append(out.Content, scalarNode(key), p.value(v[key], n.Child(key), s.Child(key)))
		}
		return out
	case []any:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for i, item := range v {
			index := strconv.Itoa(i)
			out.Content = append(out.Content, p.value(item, n.Child(index), s.Child(index)))
		}
		return out
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case bool:
		return scalarNode(v)
	case string:
		return textNode(p.hidden.Replace(hide(v, s)))
	default:
		if s.Hides() {
			return textNode(read.Redacted)
		}
		if e, ok := value.(xconfmap.ExpandedValue); ok && s.Shape.Kind() == reflect.String {
			return textNode(p.hidden.Replace(e.Original)) // 0123 from a variable is a text here, and a number elsewhere
		}
		return scalarNode(v)
	}
}

func hide(text string, s read.Secrecy) string {
	if s.Hides() {
		return read.Redacted
	}
	for _, secret := range read.SecretsIn(text) {
		text = strings.NewReplacer(":"+secret+"@", ":"+read.Redacted+"@", "="+secret, "="+read.Redacted).Replace(text)
	}
	return text
}

// textNode escapes $ as confmap expects.
func textNode(text string) *yaml.Node { return scalarNode(strings.ReplaceAll(text, "$", "$$")) }

func scalarNode(value any) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(value); err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprint(value)}
	}
	return n
}
