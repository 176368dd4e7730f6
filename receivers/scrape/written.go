package scrape

import (
	"strings"

	"go.opentelemetry.io/collector/confmap/xconfmap"
	"go.yaml.in/yaml/v3"
)

// asWritten replaces what variables were expanded to by what would stand in the file in their place: a scalar becomes its
// text without a type, so that Prometheus' loader reads 010 as text where it wants text and as a number where it wants
// one. Only a list or a map in brackets stays one.
func asWritten(value any) any {
	switch v := value.(type) {
	case xconfmap.ExpandedValue:
		text := strings.TrimSpace(v.Original)
		switch v.Value.(type) {
		case nil:
			return nil
		case map[string]any, []any:
			if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
				return asWritten(v.Value)
			}
		}
		return scalar(v.Original)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = asWritten(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = asWritten(item)
		}
		return out
	}
	return value
}

// scalar is a text as it would be written: bare where that says the same, else in quotes.
func scalar(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
	var read yaml.Node
	if err := yaml.Unmarshal([]byte(text), &read); err != nil || len(read.Content) != 1 || read.Content[0].Kind != yaml.ScalarNode || read.Content[0].Value != text {
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	return n
}

// textOf is the text of a scalar, written or expanded.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case *yaml.Node:
		return v.Value
	}
	return ""
}
