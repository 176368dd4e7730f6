package oracle

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/sluiceio/sluice/wire"
)

// samplingStates are trace states as they come: none, of others, consistent sampling of any kind, and garbage.
var samplingStates = []string{
	"", "", "", "vendor=1", "ot=th:8", "ot=rv:abcdefabcdefab", "vendor=1,ot=rv:00000000000001;th:c;x:y", "ot=th:0", "ot=th:ffffffffffffff", "ot=th:fffffffffffffff",
	"ot=rv:12", "ot=", "ot=th:zz", "bad state", "a=1,b=2,ot=x:y;z:1", "ot=th:4;rv:40000000000000", "congo=t61rcWkgMzE,ot=th:1",
}

// priorities are values of attributes that ask to be kept or not.
func priority(r *rand.Rand, v pcommon.Value) {
	switch r.IntN(9) {
	case 0:
		v.SetInt(0)
	case 1:
		v.SetInt(1)
	case 2:
		v.SetDouble(0)
	case 3:
		v.SetDouble(50.5)
	case 4:
		v.SetStr("0")
	case 5:
		v.SetStr("12")
	case 6:
		v.SetStr("high")
	case 7:
		v.SetInt(-1)
	case 8:
		v.SetBool(true)
	}
}

func randomID(r *rand.Rand) (id pcommon.TraceID) {
	if r.IntN(12) > 0 {
		for i := range id {
			id[i] = byte(r.Uint32())
		}
	}
	return id
}

func sampledSpans(t *testing.T, r *rand.Rand) telemetry {
	td := ptrace.NewTraces()
	n := 0
	for range 3 {
		rs := td.ResourceSpans().AppendEmpty()
		for range 2 {
			ss := rs.ScopeSpans().AppendEmpty()
			for range 60 {
				s := ss.Spans().AppendEmpty()
				s.SetTraceID(randomID(r))
				s.SetName(fmt.Sprint(n))
				s.TraceState().FromRaw(samplingStates[r.IntN(len(samplingStates))])
				if r.IntN(3) == 0 {
					priority(r, s.Attributes().PutEmpty("sampling.priority"))
				}
				n++
			}
		}
	}
	b, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(td)
	return checked(t, wire.Traces, b, err, n)
}

func sampledLogs(t *testing.T, r *rand.Rand) telemetry {
	ld := plog.NewLogs()
	n := 0
	for range 3 {
		rl := ld.ResourceLogs().AppendEmpty()
		for range 2 {
			sl := rl.ScopeLogs().AppendEmpty()
			for range 60 {
				l := sl.LogRecords().AppendEmpty()
				l.SetTraceID(randomID(r))
				l.Body().SetStr(fmt.Sprint(n))
				if r.IntN(3) == 0 {
					priority(r, l.Attributes().PutEmpty("priority"))
				}
				switch r.IntN(5) {
				case 0:
					l.Attributes().PutStr("request.id", fmt.Sprint(r.Uint64()))
				case 1:
					l.Attributes().PutInt("request.id", int64(r.Uint32()))
				case 2:
					l.Attributes().PutEmptyBytes("request.id").FromRaw([]byte{1, 2, byte(r.Uint32())})
				case 3:
					l.Attributes().PutStr("request.id", "")
				}
				for name, values := range map[string][]string{"sampling.threshold": {"8", "c", "0", "zz", "", "ffffffffffffff"}, "sampling.randomness": {"abcdefabcdefab", "12", "", "00000000000001"}} {
					if r.IntN(6) == 0 {
						l.Attributes().PutStr(name, values[r.IntN(len(values))])
					}
				}
				n++
			}
		}
	}
	b, err := (&plog.ProtoMarshaler{}).MarshalLogs(ld)
	return checked(t, wire.Logs, b, err, n)
}

// TestSampler: the same spans and log records are kept, with the same sampling information.
func TestSampler(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		config := map[string]any{"sampling_percentage": []any{0, 0.001, 1, 15.3, 33.333, 50, 99.99, 100, 150}[r.IntN(9)], "fail_closed": r.IntN(2) == 0}
		if mode := []string{"", "hash_seed", "equalizing", "proportional"}[r.IntN(4)]; mode != "" {
			config["mode"] = mode
		}
		if r.IntN(2) == 0 {
			config["hash_seed"] = r.IntN(1 << 30)
		}
		if r.IntN(2) == 0 {
			config["sampling_precision"] = 1 + r.IntN(14)
		}
		if r.IntN(2) == 0 {
			config["sampling_priority"] = "priority"
		}
		switch r.IntN(3) {
		case 0:
			config["attribute_source"], config["from_attribute"] = "record", "request.id"
		case 1:
			config["from_attribute"] = "request.id"
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, in := range []telemetry{sampledSpans(t, r), sampledLogs(t, r)} {
				if !same(t, "probabilistic_sampler", config, in) {
					t.Errorf("both refuse %v", config)
				}
			}
			if t.Failed() {
				t.Logf("%v", config)
			}
		})
	}
}
