package prometheus

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"

	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/pipelinetest"
	"github.com/sluiceio/sluice/store/metrics"
	"github.com/sluiceio/sluice/store/metrics/metricstest"
)

// one scrapes one target of the job a, which is down.
type one struct{ address string }

func (o one) Targets() (map[string][]*scrape.Target, map[string]int) {
	found := model.LabelSet{model.AddressLabel: model.LabelValue(o.address)}
	t := scrape.NewTarget(labels.FromStrings(model.SchemeLabel, "http", model.AddressLabel, o.address, model.MetricsPathLabel, "/metrics", "job", "a"),
		&config.ScrapeConfig{JobName: "a"}, found, nil)
	t.Report(time.Unix(1, 0), time.Second, errors.New("refused"))
	return map[string][]*scrape.Target{"a": {t}}, map[string]int{"a": 2}
}

// TestTargets: two receivers may have a job of the same name.
func TestTargets(t *testing.T) {
	s, _ := pipelinetest.Settings(t, pipeline.KindExporter, "store")
	st, err := metrics.Open(s, t.TempDir(), metrics.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	api := New(s, st, Status{Scrapers: func() []Scraper { return []Scraper{one{"h1:1"}, one{"h2:1"}} }})
	for path, wants := range map[string][]string{
		"targets": {
			`"scrapeUrl":"http://h1:1/metrics"`, `"scrapeUrl":"http://h2:1/metrics"`, `"health":"down"`, `"lastError":"refused"`,
			`"discoveredLabels":{"__address__":"h2:1"`, `"droppedTargetCounts":{"a":4}`,
		},
		"scrape_pools": {`"scrapePools":["a"]`},
		"metadata":     {`"data":{}`}, // not of the targets but of what is stored
	} {
		got := metricstest.Ask(api, httptest.NewRequest("GET", "/api/v1/"+path, nil))
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %s in %s", path, want, got)
			}
		}
	}
}
