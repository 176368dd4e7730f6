package read

import "go.yaml.in/yaml/v3"

// Limits of one file. The Collector's resolver is quadratic in the depth and in the number of values with aliases
// expanded ("billion laughs").
const (
	maxDepth = 100
	maxNodes = 1 << 18
)

// measure reports an anchor that contains itself, too many values, or too deep nesting, and where.
func measure(root *yaml.Node) (text string, where *yaml.Node) {
	open := map[*yaml.Node]bool{}
	count := 0
	var walk func(n *yaml.Node, depth int) bool
	walk = func(n *yaml.Node, depth int) bool {
		count++
		where = n
		switch {
		case count > maxNodes:
			text = "there are more than 262144 values here, aliases written out; take the aliases apart"
			return false
		case depth > maxDepth:
			text = "nested deeper than 100 levels; flatten it"
			return false
		case n.Kind == yaml.AliasNode && open[n.Alias]:
			text = "the anchor " + n.Value + " contains itself; take the alias *" + n.Value + " out"
			return false
		case n.Kind == yaml.AliasNode:
			return walk(n.Alias, depth)
		}
		open[n] = true
		defer delete(open, n)
		for _, kid := range n.Content {
			if !walk(kid, depth+1) {
				return false
			}
		}
		return true
	}
	walk(root, 0)
	return text, where
}
