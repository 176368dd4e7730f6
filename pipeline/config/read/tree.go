package read

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline"
)

// Node is a key or list item of the merged configuration, with its place. The tree is merged as confmap does: maps
// are joined, the rest is replaced.
type Node struct {
	Key      string
	Place    pipeline.Place
	source   int
	column   int
	embedded bool       // no source but the embedded ones set it
	broken   bool       // its ${...} could not be expanded, which is reported already
	value    *yaml.Node // nil for a map that only a key like a::b made
	Kids     []*Node    // in the order of the files
	byKey    map[string]*Node
}

func (n *Node) IsMap() bool { return n.value == nil || n.value.Kind == yaml.MappingNode }

func (n *Node) Child(key string) *Node {
	if n == nil {
		return nil
	}
	return n.byKey[key]
}

func (n *Node) add(kid *Node) {
	if n.byKey == nil {
		n.byKey = map[string]*Node{}
	}
	n.byKey[kid.Key] = kid
	n.Kids = append(n.Kids, kid)
}

// Find returns the node of a path, or nil.
func (n *Node) Find(path ...string) *Node {
	for _, key := range path {
		n = n.Child(key)
	}
	return n
}

// At is where a path was written, or the place of the nearest key above it (for defaults and the inside of
// ${file:...}).
func (n *Node) At(path ...string) At {
	found := n
	for _, key := range path {
		kid := found.Child(key)
		if kid == nil {
			break
		}
		found = kid
	}
	return At{Place: found.Place, source: found.source, column: found.column, Path: path}
}

// IsEmbedded reports whether only embedded sources set anything at or below n.
func (n *Node) IsEmbedded() bool {
	if n == nil || !n.embedded {
		return false
	}
	for _, kid := range n.Kids {
		if !kid.IsEmbedded() {
			return false
		}
	}
	return true
}

// merge lays a later tree over n.
func (n *Node) merge(over *Node) {
	for i, kid := range over.Kids {
		mine := n.Child(kid.Key)
		switch {
		case mine == nil:
			n.add(kid)
		case mine.IsMap() && kid.IsMap():
			if kid.Place.Line > 0 { // a --set below a section is not where the section is
				mine.Place, mine.source, mine.column = kid.Place, kid.source, kid.column
			}
			mine.embedded = mine.embedded && kid.embedded
			mine.merge(over.Kids[i])
		default:
			*mine = *kid
		}
	}
}

// grower makes the tree of a layer. It removes what it reports from the YAML, so that the rest decodes.
type grower struct {
	layer  *layer
	Report *Report
	depth  int // of mappings that are being merged in by <<
}

func (g *grower) Node(key string, where *yaml.Node) *Node {
	return &Node{
		Key: key, Place: g.layer.Place(where.Line), column: where.Column, source: g.layer.rank, embedded: g.layer.embedded,
	}
}

func (g *grower) grow(key string, value, where *yaml.Node, path []string) *Node {
	n := g.Node(key, where)
	for value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	n.value = value
	switch value.Kind {
	case yaml.MappingNode:
		g.mapping(n, value, path)
	case yaml.SequenceNode:
		for i, item := range value.Content {
			name := strconv.Itoa(i)
			n.add(g.grow(name, item, item, Extend(path, name)))
		}
	}
	return n
}

// mapping adds the pairs of a YAML mapping to n: its own first, then those of << that are not overridden.
func (g *grower) mapping(n *Node, m *yaml.Node, path []string) {
	kept := m.Content[:0:0]
	var merged []*yaml.Node
	for i := 0; i+1 < len(m.Content); i += 2 {
		key, value := m.Content[i], m.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.ShortTag() == "!!merge" {
			if !isMergeable(value) {
				g.Report.Fault(g.layer.At(key, path...), "<< expects an alias *name of an anchor &name that marks keys and values; correct it or take it out")
				continue
			}
			merged = append(merged, value)
			kept = append(kept, key, value)
			continue
		}
		if g.pair(n, key, value, path) {
			kept = append(kept, key, value)
		}
	}
	m.Content = kept
	g.depth++
	for _, value := range merged {
		g.mergeKey(n, value, path)
	}
	g.depth--
}

func isMergeable(value *yaml.Node) bool {
	switch value.Kind {
	case yaml.AliasNode:
		return value.Alias.Kind == yaml.MappingNode
	case yaml.SequenceNode:
		return !slices.ContainsFunc(value.Content, func(item *yaml.Node) bool {
			return item.Kind == yaml.SequenceNode || !isMergeable(item)
		})
	}
	return value.Kind == yaml.MappingNode
}

func (g *grower) mergeKey(n *Node, value *yaml.Node, path []string) {
	for value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch value.Kind {
	case yaml.MappingNode:
		g.mapping(n, value, path)
	case yaml.SequenceNode:
		for _, item := range value.Content {
			g.mergeKey(n, item, path)
		}
	}
}

// pair adds a key and value, and reports whether it may stay in the YAML.
func (g *grower) pair(n *Node, key, value *yaml.Node, path []string) bool {
	for key.Kind == yaml.AliasNode {
		key = key.Alias
	}
	if key.Kind != yaml.ScalarNode {
		g.Report.Fault(g.layer.At(key, path...), "%s cannot be a key; write a plain name", nodeKind(key))
		return false
	}
	// Keys like 8080 or true are strings. YAML would make other types of them, which confmap does not accept.
	key.Tag = "!!str"
	parts := strings.Split(key.Value, delimiter)
	for _, part := range parts {
		if part == "" || part[0] == ':' || part[len(part)-1] == ':' {
			// confmap joins and splits paths, so it would misread such a key, and take the empty key for the whole
			// configuration.
			g.Report.Fault(g.layer.At(key, path...), "%q is not a key; write a name, and :: only between two of them", key.Value)
			return false
		}
	}
	for i, part := range parts[:len(parts)-1] {
		next := n.Child(part)
		if next == nil {
			next = g.Node(part, key)
			n.add(next)
		}
		if !next.IsMap() {
			g.again(Extend(path, parts[:i+1]...), next, key)
			return false
		}
		n = next
	}
	name := parts[len(parts)-1]
	full := Extend(path, parts...)
	if first := n.Child(name); first != nil {
		if g.depth == 0 {
			g.again(full, first, key)
			return false
		}
		return true
	}
	n.add(g.grow(name, value, key, full))
	return true
}

func (g *grower) again(path []string, first *Node, key *yaml.Node) {
	g.Report.Fault(g.layer.At(key, path...), "this key is set twice, first on line %d; take one out", first.Place.Line)
}

// Extend is append to a copy.
func Extend(path []string, more ...string) []string {
	return append(path[:len(path):len(path)], more...)
}
