package config

import "go.yaml.in/yaml/v3"

// maxNodes bounds what the aliases of one file may expand to; a "billion laughs" file is refused here.
const maxNodes = 1 << 20

// aliasFault walks a parsed file as the tree and the decoder will and says why they could not: an anchor that
// contains itself, or aliases that multiply without measure. The line is where.
func aliasFault(root *yaml.Node) (text string, line int) {
	open := map[*yaml.Node]bool{}
	count := 0
	var walk func(n *yaml.Node) bool
	walk = func(n *yaml.Node) bool {
		if count++; count > maxNodes {
			text, line = "the aliases of this file expand to more than a million values; write them out where they are needed", n.Line
			return false
		}
		if n.Kind == yaml.AliasNode {
			if open[n.Alias] {
				text, line = "the anchor "+n.Value+" contains itself; take the alias *"+n.Value+" out", n.Line
				return false
			}
			return walk(n.Alias)
		}
		open[n] = true
		defer delete(open, n)
		for _, kid := range n.Content {
			if !walk(kid) {
				return false
			}
		}
		return true
	}
	walk(root)
	return text, line
}
