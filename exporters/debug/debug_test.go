package debug

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// request makes one of OTLP/JSON.
func request(t testing.TB, name string, data []byte) pipeline.Batch {
	t.Helper()
	var body []byte
	var err error
	b := pipeline.Batch{}
	switch name {
	case "metrics.json":
		r := pmetricotlp.NewExportRequest()
		err = r.UnmarshalJSON(data)
		body, _ = r.MarshalProto()
		b.Signal = pipeline.Metrics
	case "logs.json":
		r := plogotlp.NewExportRequest()
		err = r.UnmarshalJSON(data)
		body, _ = r.MarshalProto()
		b.Signal = pipeline.Logs
	case "traces.json":
		r := ptraceotlp.NewExportRequest()
		err = r.UnmarshalJSON(data)
		body, _ = r.MarshalProto()
		b.Signal = pipeline.Traces
	default:
		t.Fatalf("a case has a file %s", name)
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Request, _, err = wire.Check(b.Signal, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b.Items = wire.Count(b.Signal, b.Request)
	return b
}

func start(t testing.TB, yaml string) (*Exporter, *bytes.Buffer) {
	t.Helper()
	r, err := confmap.NewRetrievedFromYAML([]byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	conf, err := r.AsConf()
	if err != nil {
		t.Fatal(err)
	}
	c := Default()
	if err := conf.Unmarshal(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "debug")
	out := &bytes.Buffer{}
	s.Log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	k, err := New(s, c)
	if err != nil {
		t.Fatal(err)
	}
	e := k.(*Exporter)
	e.out = out
	return e, out
}

// Every file in testdata is a configuration, requests in OTLP/JSON, and what is to be seen.
func TestBehaviour(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, want := "", ""
			var batches []pipeline.Batch
			for _, f := range a.Files {
				switch f.Name {
				case "config.yaml":
					config = string(f.Data)
				case "want":
					want = string(f.Data)
				default:
					batches = append(batches, request(t, f.Name, f.Data))
				}
			}
			e, out := start(t, config)
			for _, b := range batches {
				if err := e.Consume(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if out.String() == want {
				return
			}
			if *update {
				a.Files[len(a.Files)-1].Data = out.Bytes()
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("got\n%s\nwant\n%s", out, want)
		})
	}
}

var update = flag.Bool("update", false, "write what is seen into the cases")

func TestSampling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, out := start(t, "sampling_initial: 3\nsampling_thereafter: 10")
		logs, traces := request(t, "logs.json", []byte(`{}`)), request(t, "traces.json", []byte(`{}`))
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		for range 2 {
			for range 100 {
				for _, b := range []pipeline.Batch{logs, traces} {
					if err := e.Consume(t.Context(), b); err != nil {
						t.Fatal(err)
					}
				}
			}
			time.Sleep(time.Second)
		}
		// Each second, of each signal: the first 3, then every tenth of 97.
		if n := strings.Count(out.String(), "\n"); n != 2*2*(3+9) {
			t.Errorf("%d lines", n)
		}
		quiet, out := start(t, "sampling_initial: 0\nsampling_thereafter: 0")
		if err := quiet.Consume(t.Context(), logs); err != nil || out.Len() > 0 {
			t.Errorf("%v, %s", err, out)
		}
	})
}

// What comes from outside must not move the cursor or change the colours of somebody's terminal.
func TestNothingCommandsTheTerminal(t *testing.T) {
	for _, verbosity := range []string{normal, detailed} {
		e, out := start(t, "verbosity: "+verbosity)
		hostile := `\u001b[2J\u0007\u009b31m\u202etxt`
		body := fmt.Sprintf(`{"resourceLogs":[{"resource":{"attributes":[{"key":"k%[1]s","value":{"arrayValue":{"values":[{"stringValue":"v%[1]s"}]}}}]},`+
			`"scopeLogs":[{"scope":{"name":"n%[1]s"},"logRecords":[{"severityText":"s%[1]s","body":{"stringValue":"b%[1]s"}}]}]}]}`, hostile)
		if err := e.Consume(t.Context(), request(t, "logs.json", []byte(body))); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\x07\u009b\u202e") || !strings.Contains(out.String(), `b\x1b[2J\x07\u{9b}31m\u{202e}txt`) {
			t.Errorf("%s: %q", verbosity, out)
		}
	}
}

func TestABrokenTerminalRefuses(t *testing.T) {
	e, _ := start(t, "use_internal_logger: false")
	e.out = broken{}
	if _, ok := pipeline.AsRefused(e.Consume(t.Context(), request(t, "logs.json", []byte(`{}`)))); !ok {
		t.Error("what was not written is taken")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestConfigNamesEveryFault(t *testing.T) {
	err := (&Config{Verbosity: "loud", SamplingInitial: -1, SamplingThereafter: -1}).Validate()
	for _, key := range []string{"verbosity", "sampling_initial", "sampling_thereafter"} {
		if err == nil || !strings.Contains(err.Error(), `"`+key+`"`) {
			t.Errorf("nothing is said about %q in %v", key, err)
		}
	}
}

// Whatever was checked can be shown.
func FuzzShow(f *testing.F) {
	f.Add(uint8(1), []byte{0x0a, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, s uint8, body []byte) {
		signal := pipeline.Metrics + pipeline.Signal(s%3)
		r, _, err := wire.Check(signal, body, wire.Limits{})
		if err != nil {
			return
		}
		for _, text := range [][]byte{appendNormal(nil, signal, r), appendDetailed(nil, signal, r)} {
			for _, c := range text {
				if c < ' ' && c != '\n' && c != '\t' {
					t.Fatalf("a control character %#x of %x is shown", c, body)
				}
			}
		}
	})
}

func BenchmarkBasic(b *testing.B) {
	e, out := start(b, "sampling_thereafter: 0")
	batch := request(b, "logs.json", []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}`))
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Consume(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		out.Reset()
	}
}
