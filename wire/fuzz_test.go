package wire

import "testing"

// fuzzSignal holds Check, the cursors, Count, EditResources, EditItems and Split against their oracles for any bytes.
func fuzzSignal(f *testing.F, s Signal) {
	f.Add([]byte(nil))
	for seed := range uint64(60) {
		g := generator{entropy: randomEntropy(seed, 600), broken: seed%3 == 2, strict: seed%3 == 0}
		f.Add(g.request(s))
	}
	f.Add([]byte(logWith(nestedArrays(MaxDepth + 1))))
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzOne(t, s, body)
		dumpWire(s, body) // whatever it is: no panic
	})
}

func fuzzOne(t *testing.T, s Signal, body []byte) {
	if len(body) > 1<<16 {
		return
	}
	r, ok := compare(t, s, body)
	if !ok {
		return
	}
	editAndCompare(t, s, r, body)
	editItemsAndCompare(t, &Editor{}, s, r, body)
	limits := Limits{MaxItems: 1 + len(body)%5}
	if len(body)%2 == 0 {
		limits.MaxBytes = 1 + len(body)/3
	}
	splitAndCheck(t, s, r, limits)
}

func FuzzLogs(f *testing.F)    { fuzzSignal(f, Logs) }
func FuzzMetrics(f *testing.F) { fuzzSignal(f, Metrics) }
func FuzzTraces(f *testing.F)  { fuzzSignal(f, Traces) }

// FuzzGenerated lets the fuzzer steer the generator, which gets it deeper than changing bytes of a request does.
func FuzzGenerated(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(uint8(seed), randomEntropy(seed, 300+int(seed)*20))
	}
	f.Fuzz(func(t *testing.T, mode uint8, entropy []byte) {
		g := generator{entropy: entropy, broken: mode%3 == 2, strict: mode%3 == 0}
		s := Signal(1 + mode/3%3)
		fuzzOne(t, s, g.request(s))
	})
}
