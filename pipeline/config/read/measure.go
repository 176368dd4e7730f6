package read

import "go.yaml.in/yaml/v3"

// What one file may hold. The Collector's resolver takes time and memory by the square of the depth, and by the
// number of values after aliases are written out ("billion laughs").
const (
	maxDepth = 100
	maxNodes = 1 << 18
)

// measure walks a parsed file as the tree and the decoder will and says why they could not: an anchor that contains
// itself, too many values, too deep a nesting. It answers where, too.
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
