package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestGeneratedConditions drops logs by conditions out of the grammar.
func TestGeneratedConditions(t *testing.T) {
	in := logs(t)
	g := generator{rand.New(rand.NewPCG(11, 2))}
	compared := 0
	for i := range 200 {
		var list []any
		for range 1 + g.IntN(3) {
			list = append(list, g.condition(0))
		}
		mode := g.pick("silent", "silent", "propagate")
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			if same(t, "filter", map[string]any{"error_mode": mode, "logs": map[string]any{"log_record": list}}, in) {
				compared++
			}
			if t.Failed() {
				t.Logf("%s %q", mode, list)
			}
		})
	}
	if compared < 150 {
		t.Errorf("%d of 200 were compared", compared)
	}
}
