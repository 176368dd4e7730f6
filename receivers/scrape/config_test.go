package scrape

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceio/sluice/exporters/debug"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// read loads a configuration file as the daemons do.
func loadYAML(t *testing.T, yaml string) (*pipeline.Config, []read.Warning, error) {
	t.Helper()
	return config.Load(context.Background(),
		read.Sources{Config: []string{write(t, yaml)}},
		[]pipeline.Component{Component(), debug.Component()}, config.Options{})
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const tailYAML = `
exporters:
  debug: {}
service:
  pipelines:
    metrics:
      receivers: [prometheus]
      exporters: [debug]
`

// line is where a text stands in a file, 1-based.
func line(yaml, text string) int {
	at := strings.Index(yaml, text)
	if at < 0 {
		return -1
	}
	return 1 + strings.Count(yaml[:at], "\n")
}

func TestFaultsAreAtTheirKeys(t *testing.T) {
	f := func(section string, wants ...string) {
		t.Helper()
		yaml := "receivers:\n  prometheus:\n" + section + tailYAML
		_, _, err := loadYAML(t, yaml)
		if err == nil {
			t.Errorf("no fault in\n%s", section)
			return
		}
		for _, w := range wants {
			at, text, _ := strings.Cut(w, " | ")
			found := slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(l string) bool {
				return strings.Contains(l, at+": ") && strings.Contains(l, text)
			})
			if !found {
				t.Errorf("want %q in\n%v", w, err)
			}
		}
	}
	const jobs = "    config:\n      scrape_configs:\n"
	f(jobs+"        - job_name: a\n          scrape_intervall: 5s\n", "config::scrape_configs::0::scrape_intervall | unknown key")
	f(jobs+"        - job_name: a\n        - job_name: b\n          scrape_interval: 5x\n        - job_name: c\n          relabel_configs:\n            - {action: keep}\n            - {action: nonsense}\n            - {regex: '(', action: keep, source_labels: [x]}\n",
		"config::scrape_configs::1::scrape_interval | 5x",
		"config::scrape_configs::2::relabel_configs::1 | nonsense",
		"config::scrape_configs::2::relabel_configs::2 | missing closing")
	f(jobs+"        - job_name: a\n          static_configs:\n            - targets: ['http://x']\n              label: {}\n", "config::scrape_configs::0::static_configs::0::label | unknown key")
	f(jobs+"        - job_name: a\n        - job_name: a\n", "config | multiple scrape configs")
	f(jobs+"        - scheme: http\n", "config::scrape_configs::0 | job_name")
	f(jobs+"        - 5\n", "config::scrape_configs::0 | not a scrape config")
	f(jobs+"        - {job_name: a, scrape_interval: 1s, scrape_timeout: 5s}\n", "config::scrape_configs::0 | timeout greater")
	f(jobs+"        - {job_name: a, scrape_native_histograms: true}\n        - {job_name: b, scrape_failure_log_file: x, scrape_protocols: [PrometheusProto]}\n",
		"config::scrape_configs::0::scrape_native_histograms | not supported",
		"config::scrape_configs::1::scrape_failure_log_file | not supported",
		"config::scrape_configs::1::scrape_protocols | none of them")
	for _, d := range promfile.Discoveries {
		key := d + "_sd_configs"
		f(jobs+"        - job_name: a\n          "+key+": [{role: pod}, {role: node}]\n", "config::scrape_configs::0::"+key+" | not supported: write static_configs, file_sd_configs or http_sd_configs")
	}
	for entry, want := range map[string]string{
		"{role: pod, own_node: maybe}":        " | write true or false",
		"{role: ingress, own_node: true}":     " | an ingress is on no node",
		"{role: pods}":                        " | unknown Kubernetes SD role",
		"{role: pod, api_server: 'http://x'}": " | kubeconfig_file",
	} {
		f(jobs+"        - job_name: a\n          kubernetes_sd_configs: [{role: node}, "+entry+"]\n", "config::scrape_configs::0::kubernetes_sd_configs::1"+want)
	}
	f(jobs+"        - job_name: a\n          made_up_sd_configs: [{}]\n", "config::scrape_configs::0::made_up_sd_configs | unknown key")
	f("    config:\n      remote_write: []\n      rule_files: [x]\n", "config::remote_write | prometheus_remote_write", "config::rule_files | rules are evaluated")
	f("    config:\n      global: {scrape_interval: x}\n", "config::global::scrape_interval | x")
	// All at once, each at its own place.
	f("    config:\n      remote_write: []\n      global: {scrape_intervall: 5s, scrape_timeout: x, query_log_file: q}\n      scrape_configs:\n        - {job_name: a, ec2_sd_configs: [{}], consul_sd_configs: [{}], scrape_native_histograms: true, scrape_failure_log_file: x, metrics_pth: /x}\n",
		"config::remote_write | is not for scraping",
		"config::global::scrape_intervall | unknown key", "config::global::scrape_timeout | x",
		"config::scrape_configs::0::ec2_sd_configs | not supported", "config::scrape_configs::0::consul_sd_configs | not supported",
		"config::scrape_configs::0::scrape_native_histograms | not supported", "config::scrape_configs::0::scrape_failure_log_file | not supported",
		"config::scrape_configs::0::metrics_pth | unknown key")
	f("    config:\n      global: {scrape_interval: 1s, scrape_timeout: 5s}\n      scrape_configs: [{job_name: a}]\n", "config::global | timeout greater")
	f("    config:\n      global: {metric_name_escaping_scheme: nonsense}\n      scrape_configs: [{job_name: a}]\n", "config::global::metric_name_escaping_scheme | nonsense")
	f("    config:\n      global: {scrape_native_histograms: true}\n      scrape_configs: [{job_name: a}]\n", "config::global::scrape_native_histograms | not supported")
	more := write(t, "scrape_configs:\n- {job_name: a, ec2_sd_configs: [{}]}\n- {job_name: b, scrape_interval: 5x, scrape_failure_log_file: y}\n")
	f("    config:\n      scrape_config_files: ["+more+"]\n",
		"config::scrape_config_files::0: "+more+": scrape_configs::0::ec2_sd_configs | not supported",
		"config::scrape_config_files::0: "+more+": scrape_configs::1::scrape_interval | 5x",
		"config::scrape_config_files::0: "+more+": scrape_configs::1::scrape_failure_log_file | not supported")
	discovering := write(t, "scrape_configs:\n- {job_name: b, kubernetes_sd_configs: [{role: pod, api_server: 'http://x'}]}\n")
	f("    config:\n      scrape_config_files: ["+discovering+"]\n", "config::scrape_config_files::0: "+discovering+": scrape_configs::0::kubernetes_sd_configs::0 | api_server")
	f("    kubelet: {enabled: true, port: 0}\n    annotations: {enabled: true, scrape_interval: -1s}\n", "receivers::prometheus::kubelet | port", "receivers::prometheus::annotations | scrape_interval")
	f("    annotations: {enabled: true, host: x}\n", "receivers::prometheus::annotations::host | ")
	f("    config: {}\n", "config::scrape_configs | is empty")
	f("    backlog_bytes: 1\n    max_body_bytes: 1\n", "receivers::prometheus | backlog_bytes", "receivers::prometheus | max_body_bytes")
	f("    target_allocator: {endpoint: x}\n"+jobs+"        - {job_name: a}\n", "receivers::prometheus::target_allocator | known to the Collector")
}

// TestFaultsHaveLines: the place is that in the user's file, not in what the loader was given.
func TestFaultsHaveLines(t *testing.T) {
	yaml := "receivers:\n  prometheus:\n    config:\n      scrape_configs:\n        - job_name: a\n          static_configs:\n            - targets: [x]\n          metrics_pth: /x\n" + tailYAML
	_, _, err := loadYAML(t, yaml)
	if want := "a.yaml:8: "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q in %v (the key is in line %d)", want, err, line(yaml, "metrics_pth"))
	}
}

func TestDollarsAndWarnings(t *testing.T) {
	t.Setenv("SLUICE_TEST_TARGET", "10.0.0.1:9100")
	yaml := `receivers:
  prometheus:
    config:
      global: {query_log_file: q, evaluation_interval: 1m}
      scrape_configs:
        - job_name: a
          static_configs:
            - targets: ['${env:SLUICE_TEST_TARGET}']
          relabel_configs:
            - {source_labels: [__address__], regex: '(.*):.*', target_label: instance, replacement: '$$1'}
            - {source_labels: [__address__], target_label: x, replacement: ''}
` + tailYAML
	cfg, warnings, err := loadYAML(t, yaml)
	if err != nil {
		t.Fatal(err)
	}
	c := cfg.Instances[slices.IndexFunc(cfg.Instances, func(i pipeline.Instance) bool { return i.ID.Type == "prometheus" })].Config.(*Config)
	j := c.loaded.Jobs[0]
	if got := j.RelabelConfigs[0].Replacement; got != "$1" {
		t.Errorf("$$1 arrives as %q", got)
	}
	if got := c.loaded.Jobs[0].ServiceDiscoveryConfigs; len(got) != 1 {
		t.Errorf("discovery is %v", got)
	}
	if !slices.ContainsFunc(warnings, func(w read.Warning) bool { return strings.Contains(w.String(), "query_log_file: does nothing") }) {
		t.Errorf("no warning of query_log_file in %v", warnings)
	}
	found := slices.ContainsFunc(warnings, func(w read.Warning) bool {
		return strings.Contains(w.String(), "a.yaml:11: receivers::prometheus::config::scrape_configs::0::relabel_configs::1::replacement: is empty")
	})
	if !found {
		t.Errorf("no warning of the empty replacement in %v", warnings)
	}
}

// TestREADME: the example is a configuration that loads.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md has no example")
	}
	for _, b := range blocks {
		if _, _, err := loadYAML(t, b[1]); err != nil {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
}
