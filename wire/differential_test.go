package wire

import "testing"

// Every signal, through a generator that knows the schema: canonical, irregular and broken requests.
func TestAgainstPdata(t *testing.T) {
	for _, s := range []Signal{Metrics, Logs, Traces} {
		t.Run(s.String(), func(t *testing.T) {
			accepted, rewritten := 0, 0
			for seed := range uint64(3000) {
				g := generator{entropy: randomEntropy(seed, 40+int(seed%1500)), strict: seed%3 == 0, broken: seed%3 == 2}
				body := g.request(s)
				r, ok := compare(t, s, body)
				if !ok && seed%3 != 2 {
					t.Fatalf("seed %d: a legal request is refused", seed)
				}
				if ok {
					accepted++
					if len(r) > 0 && &r[0] != &body[0] {
						rewritten++
						if seed%3 == 0 {
							t.Fatalf("seed %d: a canonical request is rewritten", seed)
						}
					}
				}
			}
			if accepted < 1500 || rewritten < 250 {
				t.Fatalf("the generator has grown dull: %d accepted, %d rewritten", accepted, rewritten)
			}
		})
	}
}
