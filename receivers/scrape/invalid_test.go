package scrape

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"

	"github.com/sluiceio/sluice/pipeline/pipelinetest"
)

// TestInvalidTargetsAreSaidOnce: each is named, but not at every update of discovery.
func TestInvalidTargetsAreSaidOnce(t *testing.T) {
	var said bytes.Buffer
	r, _ := start(t, "scrape_configs:\n- {job_name: j}\n", &pipelinetest.Recorder{}, nil)
	r.settings.Log = slog.New(slog.NewTextHandler(&said, nil))
	for range 50 {
		r.jobs["j"].sync([]*targetgroup.Group{{Source: "x:0", Targets: []model.LabelSet{
			{model.AddressLabel: ""}, {model.AddressLabel: "http://x/y"}, {model.AddressLabel: "http://z/y"},
		}}})
	}
	if n := strings.Count(said.String(), "cannot make a target"); n != 3 || !strings.Contains(said.String(), "target=http://z/y") {
		t.Errorf("%d lines:\n%s", n, said.String())
	}
	if _, _, invalid := r.jobs["j"].census(); invalid != 3 {
		t.Errorf("%d invalid targets", invalid)
	}
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
