package scrape

import (
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/discovery"

	"github.com/sluiceio/sluice/pipeline"
)

// TestVariablesAreText: what a variable holds is read as if it stood in the file: text where text is wanted.
func TestVariablesAreText(t *testing.T) {
	for name, value := range map[string]string{
		"SHARD": "0", "OCTAL": "010", "BOOL": "true", "EMPTY": "", "COLON": "a: b", "FLOAT": "1.50", "HASH": "a #b",
		"LIMIT": "100", "EVERY": "30s", "ON": "true", "TARGETS": "['10.0.0.1:1', '10.0.0.2:2']", "DOLLAR": "$1",
	} {
		t.Setenv("SLUICE_TEST_"+name, value)
	}
	yaml := `receivers:
  prometheus:
    config:
      scrape_configs:
        - job_name: '${env:SLUICE_TEST_SHARD}'
          honor_labels: ${env:SLUICE_TEST_ON}
          sample_limit: ${env:SLUICE_TEST_LIMIT}
          scrape_interval: ${env:SLUICE_TEST_EVERY}
          static_configs:
            - targets: ${env:SLUICE_TEST_TARGETS}
              labels:
                shard: '${env:SLUICE_TEST_SHARD}'
                octal: ${env:SLUICE_TEST_OCTAL}
                bool: ${env:SLUICE_TEST_BOOL}
                empty: ${env:SLUICE_TEST_EMPTY}
                colon: ${env:SLUICE_TEST_COLON}
                float: ${env:SLUICE_TEST_FLOAT}
                hash: ${env:SLUICE_TEST_HASH}
                within: s-${env:SLUICE_TEST_SHARD}
          relabel_configs:
            - {source_labels: [shard], target_label: x, replacement: '${env:SLUICE_TEST_DOLLAR}'}
` + tailYAML
	cfg, _, err := loadYAML(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Instances[slices.IndexFunc(cfg.Instances, func(i pipeline.Instance) bool { return i.ID.Type == "prometheus" })].Config.(*Config)
	j := c.loaded.Jobs[0]
	if j.JobName != "0" || !j.HonorLabels || j.SampleLimit != 100 || j.ScrapeInterval.String() != "30s" || j.RelabelConfigs[0].Replacement != "$1" {
		t.Errorf("job %+v", j)
	}
	group := j.ServiceDiscoveryConfigs[0].(discovery.StaticConfig)[0]
	if len(group.Targets) != 2 {
		t.Errorf("targets %v", group.Targets)
	}
	var got []string
	for name, value := range group.Labels {
		got = append(got, string(name)+"="+string(value))
	}
	slices.Sort(got)
	if want := "bool=true|colon=a: b|empty=|float=1.50|hash=a #b|octal=010|shard=0|within=s-0"; strings.Join(got, "|") != want {
		t.Errorf("labels %q\nwant   %q", strings.Join(got, "|"), want)
	}
}
