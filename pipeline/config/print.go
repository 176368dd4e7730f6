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
)

// Print returns the merged and expanded configuration as YAML, in the order of the files, with secrets redacted:
// what the components' structs hold in configopaque types, what bears the name of a secret, and the passwords of
// URLs. Apart from these it is a configuration again: a literal $ is written $$. It does not check; its error is a
// Faults about sources that cannot be read, merged or expanded.
func Print(ctx context.Context, src Sources, components []pipeline.Component) ([]byte, error) {
	found := &report{}
	res, _ := resolve(ctx, src, found)
	if _, faults := found.finish(nil); len(faults) > 0 {
		return nil, faults
	}
	p := printer{loader: loader{reader: &reader{report: found, resolved: res}, components: components}}
	root := &yaml.Node{Kind: yaml.MappingNode}
	names := append([]string{}, sectionNames...)
	for _, name := range append(names, orderedKeys(res.tree, res.raw)...) {
		if value, ok := res.raw[name]; ok {
			delete(res.raw, name)
			root.Content = append(root.Content, scalarNode(name), p.section(name, value))
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
type printer struct{ loader }

// section prints a section of the file: those that hold components with what the components' types say.
func (p *printer) section(name string, value any) *yaml.Node {
	n := p.tree.child(name)
	if name == "service" {
		return p.value(value, n, secrecy{shape: shapeOf(reflect.TypeFor[serviceKeys]())})
	}
	m, isMap := plain(value).(map[string]any)
	if !isMap {
		return p.value(value, n, secrecy{})
	}
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range orderedKeys(n, m) {
		var s secrecy
		typ, _, _ := strings.Cut(key, "/")
		for _, kind := range kinds {
			if c, ok := p.component(kind, typ); ok && sectionOf(kind) == name {
				s.shape = shapeOf(reflect.TypeOf(c.Default()))
			}
		}
		out.Content = append(out.Content, scalarNode(key), p.value(m[key], n.child(key), s))
	}
	return out
}

func (p *printer) value(value any, n *node, s secrecy) *yaml.Node {
	switch v := plain(value).(type) {
	case map[string]any:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, key := range orderedKeys(n, v) {
			out.Content = append(out.Content, scalarNode(key), p.value(v[key], n.child(key), s.child(key)))
		}
		return out
	case []any:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for i, item := range v {
			index := strconv.Itoa(i)
			out.Content = append(out.Content, p.value(item, n.child(index), s.child(index)))
		}
		return out
	case nil:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case bool:
		return scalarNode(v)
	case string:
		return textNode(hide(v, s))
	default:
		if s.hides() {
			return textNode(redacted)
		}
		if e, ok := value.(xconfmap.ExpandedValue); ok && s.shape.kind() == reflect.String {
			return textNode(e.Original) // 0123 from a variable is a text here, and a number elsewhere
		}
		return scalarNode(v)
	}
}

func hide(text string, s secrecy) string {
	if s.hides() {
		return redacted
	}
	if p := passwordOf(text); p != "" {
		return strings.Replace(text, ":"+p+"@", ":"+redacted+"@", 1)
	}
	return text
}

// textNode is a text that reads back as itself: confmap takes $$ for $.
func textNode(text string) *yaml.Node { return scalarNode(strings.ReplaceAll(text, "$", "$$")) }

func scalarNode(value any) *yaml.Node {
	n := &yaml.Node{}
	if err := n.Encode(value); err != nil {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: fmt.Sprint(value)}
	}
	return n
}
