package kubestate

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/value"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.uber.org/goleak"
	"golang.org/x/tools/txtar"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/sluiceio/sluice/kube"
	"github.com/sluiceio/sluice/kube/kubetest"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/ledger"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write what came out as what is wanted into testdata")

// world is a cluster, the receiver, and what it sent.
type world struct {
	t      *testing.T
	server *kubetest.Server
	cfg    *Config
	rec    *pipelinetest.Recorder
	set    pipeline.Settings
	ledger *ledger.Ledger
	r      *Receiver

	read int      // batches that are in came
	came []sample // all samples so far
}

func newWorld(t *testing.T, s *kubetest.Server, cfg *Config) *world {
	w := &world{t: t, server: s, cfg: cfg, rec: &pipelinetest.Recorder{}}
	cfg.AuthType, cfg.KubeconfigFile = kube.KubeConfig, s.Kubeconfig(t)
	w.set, w.ledger = pipelinetest.Settings(t, pipeline.KindReceiver, "kube_state")
	r, err := New(w.set, cfg, pipeline.OutputsTo(w.rec, pipeline.Metrics))
	if err != nil {
		t.Fatal(err)
	}
	w.r = r.(*Receiver)
	return w
}

func newRegistry() prometheus.Registerer { return prometheus.NewRegistry() }

func (w *world) start() {
	w.t.Helper()
	if err := w.r.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) stop() {
	w.t.Helper()
	if err := w.r.Stop(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if n := w.ledger.Unaccounted(); n != 0 {
		w.t.Errorf("%d items unaccounted for", n)
	}
}

// sample is a data point as text.
type sample struct {
	series string // name{label="value"}
	value  float64
	stale  bool
	time   int64
}

// samples are all that came, in order. Each request must be what wire accepts unchanged.
func (w *world) samples() []sample {
	w.t.Helper()
	batches := w.rec.Batches()
	for _, b := range batches[w.read:] {
		checked, info, err := wire.Check(pipeline.Metrics, b.Request, wire.Limits{})
		if err != nil || info.Items != b.Items || info.RepairedStrings != 0 || len(checked) != len(b.Request) {
			w.t.Fatalf("%v, %d items of %d", err, info.Items, b.Items)
		}
		req := pmetricotlp.NewExportRequest()
		if err := req.UnmarshalProto(b.Request); err != nil {
			w.t.Fatal(err)
		}
		for _, r := range req.Metrics().ResourceMetrics().All() {
			for _, s := range r.ScopeMetrics().All() {
				if job, _ := s.Scope().Attributes().Get("job"); job.Str() != w.cfg.Job {
					w.t.Errorf("the job is %q", job.Str())
				}
				for _, m := range s.Metrics().All() {
					w.came = append(w.came, samplesOf(m)...)
				}
			}
		}
	}
	w.read = len(batches)
	return w.came
}

func samplesOf(m pmetric.Metric) (out []sample) {
	points, suffix := pmetric.NewNumberDataPointSlice(), ""
	switch m.Type() {
	case pmetric.MetricTypeGauge:
		points = m.Gauge().DataPoints()
	case pmetric.MetricTypeSum:
		points, suffix = m.Sum().DataPoints(), " counter"
	}
	for _, p := range points.All() {
		var labels []string
		for k, v := range p.Attributes().All() {
			labels = append(labels, fmt.Sprintf("%s=%q", k, v.Str()))
		}
		out = append(out, sample{
			series: m.Name() + "{" + strings.Join(labels, ",") + "}" + suffix, value: p.DoubleValue(),
			stale: p.Flags().NoRecordedValue() && math.Float64bits(p.DoubleValue()) == value.StaleNaN, time: int64(p.Timestamp()),
		})
	}
	return out
}

// last is the last sample of a series whose text has all of the parts.
func (w *world) last(parts ...string) (found sample, is bool) {
	all := w.samples()
	for _, s := range slices.Backward(all) {
		if !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(s.series, p) }) {
			return s, true
		}
	}
	return sample{}, false
}

func (w *world) eventually(what string, ok func() bool) {
	w.t.Helper()
	for begin := time.Now(); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			w.t.Fatalf("after 20 s not yet: %s", what)
		}
	}
}

// TestCases: the series of objects, through the API server's protobuf and the trimming.
func TestCases(t *testing.T) {
	pipelinetest.ConfigCases(t, Default, func(t *testing.T, c *Config, part map[string]string) {
		s := kubetest.New(t, kubetest.Options{})
		for doc := range strings.SplitSeq(part["objects"], "\n---\n") {
			o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.Put(o)
		}
		w := newWorld(t, s, c)
		w.start()
		w.eventually("a collection is there", func() bool { _, is := w.last("up{"); return is })
		w.stop()
		var lines []string
		for _, s := range w.samples() {
			if strings.HasPrefix(s.series, "kube_") {
				lines = append(lines, fmt.Sprintf("%s %v\n", s.series, number(s.value)))
			}
		}
		sort.Strings(lines)
		got := strings.Join(lines, "")
		if *update {
			rewrite(t, got)
		} else if got != part["want"] {
			t.Errorf("got\n%s\nwant\n%s", got, part["want"])
		}
	})
}

func number(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(v)
}

func rewrite(t *testing.T, want string) {
	path := filepath.Join("testdata", strings.TrimPrefix(t.Name(), "TestCases/")+".txtar")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a := txtar.Parse(text)
	for i, f := range a.Files {
		if f.Name == "want" {
			a.Files[i].Data = []byte(want)
		}
	}
	if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
