package loki

import (
	"flag"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/loki/pkg/push"
	"github.com/prometheus/prometheus/promql/parser"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"golang.org/x/tools/txtar"

	"github.com/sluiceio/sluice/delivery"
	"github.com/sluiceio/sluice/delivery/divide"
	"github.com/sluiceio/sluice/internal/buffer"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

// decoded reads a push request with Loki's own types.
func decoded(t testing.TB, body []byte) (r push.PushRequest) {
	t.Helper()
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	return r
}

// text renders a request for a case.
func text(r push.PushRequest) string {
	var b strings.Builder
	for _, s := range r.Streams {
		fmt.Fprintf(&b, "%s\n", s.Labels)
		for _, e := range s.Entries {
			fmt.Fprintf(&b, "  %s %q\n", e.Timestamp.UTC().Format(time.RFC3339Nano), e.Line)
			for _, m := range e.StructuredMetadata {
				fmt.Fprintf(&b, "    %s=%q\n", m.Name, m.Value)
			}
		}
	}
	return b.String()
}

func batch(t testing.TB, json []byte) pipeline.Batch {
	t.Helper()
	r := plogotlp.NewExportRequest()
	if err := r.UnmarshalJSON(json); err != nil {
		t.Fatal(err)
	}
	body, err := r.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	req, info, err := wire.Check(wire.Logs, body, wire.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline.Batch{Signal: pipeline.Logs, Request: req, Items: info.Items}
}

func configured(t testing.TB, yaml string) *Config {
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
	return c
}

var update = flag.Bool("update", false, "write what is pushed into the cases")

// Every file in testdata is a configuration, logs in OTLP/JSON, and what Loki decodes of the request.
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
			parts := map[string][]byte{}
			for _, f := range a.Files {
				parts[f.Name] = f.Data
			}
			e := testEncoder(configured(t, string(parts["config.yaml"])))
			got := ""
			groups, err := e.encode(batch(t, parts["logs.json"]), 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range groups[0] {
				body, _ := io.ReadAll(p.Reader())
				r := decoded(t, body)
				for _, s := range r.Streams {
					if _, err := parser.NewParser(parser.Options{}).ParseMetric(s.Labels); err != nil {
						t.Errorf("%s is no label set: %v", s.Labels, err)
					}
				}
				got += text(r)
			}
			if got == string(parts["want"]) {
				return
			}
			if *update {
				a.Files[len(a.Files)-1].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("got\n%s\nwant\n%s", got, parts["want"])
		})
	}
}

// Whatever the size of requests, each stream's lines come whole and in order.
func TestSplitting(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"resourceLogs":[`)
	for n := range 300 { // ten streams, taking turns
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"s%d"}}]},"scopeLogs":[{"logRecords":[`+
			`{"timeUnixNano":"%d","body":{"stringValue":"%06d%s"}}]}]}`, n%10, n+1, n, strings.Repeat("x", n%97))
	}
	b.WriteString("]}")
	in := batch(t, []byte(b.String()))
	for _, most := range []int{1 << 10, 1500, 4000, 1 << 20} {
		c := Default()
		c.MaxBatchSizeBytes = most
		e := testEncoder(c)
		if most == 1500 {
			e.flushAt = 2000 // gathered in pieces, too
		}
		for range 2 { // an encoder is used again
			groups, err := e.encode(in, 0)
			if err != nil {
				t.Fatal(err)
			}
			lines := map[string][]string{}
			items := 0
			for _, p := range groups[0] {
				body, _ := io.ReadAll(p.Reader())
				if raw, _ := snappy.Decode(nil, body); len(raw) > most {
					t.Errorf("a request of %d bytes, limit %d", len(raw), most)
				}
				n := 0
				for _, s := range decoded(t, body).Streams {
					for _, entry := range s.Entries {
						lines[s.Labels] = append(lines[s.Labels], entry.Line)
						n++
					}
				}
				if n != p.Items {
					t.Errorf("a payload counts %d items and has %d", p.Items, n)
				}
				items += n
			}
			if items != 300 || len(lines) != 10 {
				t.Errorf("limit %d: %d lines in %d streams", most, items, len(lines))
			}
			for stream, l := range lines {
				if !slices.IsSorted(l) || len(l) != 30 {
					t.Errorf("%s: %d lines, in order: %v", stream, len(l), slices.IsSorted(l))
				}
			}
			if want := map[bool]string{true: "several requests", false: "one request"}[most < 1<<20]; (len(groups[0]) > 1) != (want == "several requests") {
				t.Errorf("limit %d: %d requests, want %s", most, len(groups[0]), want)
			}
		}
	}
}

func TestALineLargerThanARequestGoesAlone(t *testing.T) {
	c := Default()
	c.MaxBatchSizeBytes = 1 << 10
	e := testEncoder(c)
	long := strings.Repeat("y", 5000)
	groups, err := e.encode(batch(t, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}},{"body":{"stringValue":"`+long+`"}},{"body":{"stringValue":"b"}}]}]}]}`)), 0)
	if err != nil || len(groups[0]) != 3 {
		t.Fatalf("%d requests, %v", len(groups[0]), err)
	}
}

func TestMetadataThatInflatesIsRejected(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, `{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"%s"}}]},"scopeLogs":[{"logRecords":[{}`, strings.Repeat("z", 1<<20))
	b.WriteString(strings.Repeat(",{}", 99))
	b.WriteString(`]}]}]}`)
	e := testEncoder(Default())
	e.maxArena = 20 << 20
	_, err := e.encode(batch(t, []byte(b.String())), 0)
	if rej, ok := pipeline.AsRejected(err); !ok || rej.Reason != pipeline.DropTooLarge || rej.Count != 0 {
		t.Errorf("%v", err)
	}
	if cap(e.arena) > keepArena || len(e.entries) > 0 {
		t.Errorf("%d bytes and %d entries are kept", cap(e.arena), len(e.entries))
	}
}

// Whatever was checked becomes a request that Loki's types decode, with every record in it.
func FuzzEncode(f *testing.F) {
	f.Add([]byte{0x0a, 0x06, 0x12, 0x04, 0x12, 0x02, 0x2a, 0x00})
	f.Fuzz(func(t *testing.T, body []byte) {
		r, info, err := wire.Check(wire.Logs, body, wire.Limits{})
		if err != nil {
			return
		}
		c := Default()
		c.MaxBatchSizeBytes = 1 << 10
		groups, err := testEncoder(c).encode(pipeline.Batch{Signal: pipeline.Logs, Request: r, Items: info.Items}, 0)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, p := range groups[0] {
			body, _ := io.ReadAll(p.Reader())
			for _, s := range decoded(t, body).Streams {
				if _, err := parser.NewParser(parser.Options{}).ParseMetric(s.Labels); err != nil {
					t.Fatalf("%s: %v", s.Labels, err)
				}
				for _, e := range s.Entries {
					n++
					seen := map[string]bool{}
					for _, m := range e.StructuredMetadata {
						if seen[m.Name] || m.Name == "" {
							t.Fatalf("the label %q is there twice, or empty", m.Name)
						}
						seen[m.Name] = true
					}
				}
			}
		}
		if n != info.Items {
			t.Fatalf("%d of %d records", n, info.Items)
		}
	})
}

// BenchmarkEncode is 1,000 lines with six attributes: the gathering and snappy.
func BenchmarkEncode(b *testing.B) {
	var s strings.Builder
	s.WriteString(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}},{"key":"host.name","value":{"stringValue":"node-1"}}]},"scopeLogs":[{"logRecords":[`)
	for i := range 1000 {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"timeUnixNano":"%d","severityNumber":9,"severityText":"INFO","body":{"stringValue":"GET /api/v1/orders/%d HTTP/1.1 200 %dus"},"attributes":[`+
			`{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"url.path","value":{"stringValue":"/api/v1/orders/%d"}},{"key":"request.id","value":{"stringValue":"%032x"}},`+
			`{"key":"http.response.status_code","value":{"intValue":"200"}},{"key":"user.id","value":{"stringValue":"%d"}},{"key":"log.iostream","value":{"stringValue":"stdout"}}]}`,
			1_700_000_000_000_000_000+i, i*7919, i*13, i*7919, i*104729, i*31)
	}
	s.WriteString(`]}]}]}`)
	in := batch(b, []byte(s.String()))
	settings, _ := pipelinetest.Settings(b, pipeline.KindExporter, "loki")
	c := Default()
	sender, err := delivery.New(settings, c.Options(0), taker{testEncoder(c)})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(in.Request)))
	b.ReportAllocs()
	for b.Loop() {
		if err := sender.Send(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/line")
}

func testEncoder(c *Config) *encoder {
	return newEncoder(c, &buffer.Pool{}, &divide.Suspects{}, maphash.MakeSeed())
}
