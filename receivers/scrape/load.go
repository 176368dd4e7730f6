package scrape

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/config"
	_ "github.com/prometheus/prometheus/discovery/file" // registers file_sd_configs
	_ "github.com/prometheus/prometheus/discovery/http" // registers http_sd_configs
	"go.yaml.in/yaml/v3"
)

// loaded is a checked Prometheus configuration.
type loaded struct {
	global config.GlobalConfig
	jobs   []*config.ScrapeConfig
	// compressed says of a job whether enable_compression is in the file: only then is it obeyed for targets on
	// this host.
	compressed map[string]bool
}

// load hands the section to Prometheus' own loader. A fault comes back with the path of its key in front, as in
// "config::scrape_configs::0::metrics_path: ...".
func load(section map[string]any) (*loaded, error) {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(section)) {
		if advice, is := notScraping[key]; is {
			errs = append(errs, fmt.Errorf("config::%s: is not for scraping: %s", key, advice))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	cfg, err := parse(section)
	if err != nil {
		return nil, errors.Join(blame(section, err)...)
	}
	jobs, err := cfg.GetScrapeConfigs()
	if err != nil {
		return nil, fmt.Errorf("config::scrape_config_files: %w", err)
	}
	l := &loaded{global: cfg.GlobalConfig, jobs: jobs, compressed: map[string]bool{}}
	for i, raw := range list(section["scrape_configs"]) {
		m, _ := raw.(map[string]any)
		_, l.compressed[jobs[i].JobName] = m["enable_compression"]
	}
	for i, j := range jobs {
		for _, fault := range unsupported(j) {
			path := fmt.Sprintf("config::scrape_configs::%d::", i)
			if i >= len(list(section["scrape_configs"])) {
				path = "config::scrape_config_files: job " + j.JobName + ": "
			}
			errs = append(errs, errors.New(path+fault))
		}
	}
	if len(jobs) == 0 {
		errs = append(errs, errors.New(`config::scrape_configs: is empty: name at least one job, or take the receiver out`))
	}
	return l, errors.Join(errs...)
}

// notScraping are the sections of a Prometheus file that are about something else, and what to do instead.
var notScraping = map[string]string{
	"alerting":     "alerts are evaluated where the series are stored",
	"rule_files":   "rules are evaluated where the series are stored",
	"remote_write": "use the exporter prometheus_remote_write",
	"remote_read":  "take it out",
	"storage":      "use the exporter store",
	"tracing":      "take it out",
	"otlp":         "use the receiver otlp",
	"runtime":      "set GOGC in the environment",
}

// unsupported lists what Prometheus scrapes and we do not.
func unsupported(j *config.ScrapeConfig) (faults []string) {
	if j.ScrapeNativeHistogramsEnabled() {
		faults = append(faults, "scrape_native_histograms: native histograms are not scraped yet: take it out, classic buckets are read")
	}
	if j.ConvertClassicHistogramsToNHCBEnabled() {
		faults = append(faults, "convert_classic_histograms_to_nhcb: is not supported: remove it")
	}
	if j.ScrapeFailureLogFile != "" {
		faults = append(faults, "scrape_failure_log_file: is not supported: remove it, failures are counted and logged")
	}
	if j.ScrapeFallbackProtocol == config.PrometheusProto {
		faults = append(faults, "fallback_scrape_protocol: PrometheusProto is not read: write PrometheusText0.0.4")
	}
	if len(protocols(j)) == 0 {
		faults = append(faults, "scrape_protocols: none of them is read: write OpenMetricsText1.0.0 and PrometheusText0.0.4")
	}
	return faults
}

// discoveries are the mechanisms that Prometheus knows as <name>_sd_configs and we do not link: their clients would be
// most of the binary.
var discoveries = []string{
	"aws", "azure", "consul", "digitalocean", "dns", "docker", "dockerswarm", "ec2", "ecs", "elasticache", "eureka", "gce",
	"hetzner", "ionos", "kubernetes", "kuma", "lightsail", "linode", "marathon", "msk", "nerve", "nomad", "openstack",
	"outscale", "ovhcloud", "puppetdb", "rds", "scaleway", "serverset", "stackit", "triton", "uyuni", "vultr",
}

// protocols are those that a job may ask its targets for: text and OpenMetrics.
func protocols(j *config.ScrapeConfig) (out []config.ScrapeProtocol) {
	for _, p := range j.ScrapeProtocols {
		if p != config.PrometheusProto {
			out = append(out, p)
		}
	}
	return out
}

func parse(section map[string]any) (*config.Config, error) {
	text, err := yaml.Marshal(section)
	if err != nil {
		return nil, fmt.Errorf("cannot write the section for Prometheus' loader: %w", err)
	}
	return config.Load(string(text), slog.New(slog.DiscardHandler))
}

// blame finds the keys that a fault of the loader is about, by loading smaller and smaller parts of the section.
func blame(section map[string]any, whole error) (errs []error) {
	global := pick(section, "global")
	if _, err := parse(global); err != nil {
		return faultsAt(err, "config", global)
	}
	for i, raw := range list(section["scrape_configs"]) {
		path := fmt.Sprintf("config::scrape_configs::%d", i)
		m, ok := raw.(map[string]any)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: is no scrape config: write job_name and its keys", path))
			continue
		}
		job := func(m map[string]any) map[string]any {
			one := maps.Clone(global)
			one["scrape_configs"] = []any{m}
			return one
		}
		if _, err := parse(job(m)); err != nil {
			errs = append(errs, blameJob(m, path, err, job)...)
		}
	}
	if len(errs) == 0 {
		return faultsAt(whole, "config", section)
	}
	return errs
}

// blameJob finds the keys of one scrape config that are at fault, and the rules in its lists.
func blameJob(m map[string]any, path string, whole error, job func(map[string]any) map[string]any) (errs []error) {
	name := pick(m, "job_name")
	if _, err := parse(job(name)); err != nil {
		return faultsAt(err, path, name)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		one := maps.Clone(name)
		one[key] = m[key]
		_, err := parse(job(one))
		if err == nil {
			continue
		}
		at, found := path+"::"+key, false
		one[key] = nil
		if _, err := parse(job(one)); err != nil && strings.Contains(err.Error(), "field "+key+" not found") {
			errs = append(errs, faultsAt(err, path, m)...) // the key is at fault, not each item of its list
			continue
		}
		for i, item := range list(m[key]) {
			one[key] = []any{item}
			if _, err := parse(job(one)); err != nil {
				errs = append(errs, faultsAt(err, fmt.Sprintf("%s::%d", at, i), item)...)
				found = true
			}
		}
		if !found {
			errs = append(errs, faultsAt(err, at, m[key])...)
		}
	}
	if len(errs) == 0 { // the keys are good alone and not together
		return faultsAt(whole, path, m)
	}
	return errs
}

func pick(m map[string]any, key string) map[string]any {
	out := map[string]any{}
	if v, ok := m[key]; ok {
		out[key] = v
	}
	return out
}

// faultsAt puts path before each fault in an error of the loader, and for unknown keys the key's own path below
// value.
func faultsAt(err error, path string, value any) (errs []error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		text := strings.TrimSpace(lineNumber.ReplaceAllString(strings.TrimSpace(line), ""))
		if text == "" || text == "yaml: unmarshal errors:" {
			continue
		}
		at := path
		if m := unknownField.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("unknown key %q: Prometheus has none of this name here", m[1])
			if mechanism, is := strings.CutSuffix(m[1], "_sd_configs"); is && slices.Contains(discoveries, mechanism) {
				text = fmt.Sprintf("%q is a key of Prometheus, but this discovery is not supported: write static_configs, file_sd_configs or http_sd_configs", m[1])
			}
			if below := keyPath(value, m[1]); below != "" {
				at += "::" + below
			}
		}
		errs = append(errs, fmt.Errorf("%s: %s", at, text))
	}
	return errs
}

// The loader counts lines in a text that the user never sees.
var (
	lineNumber   = regexp.MustCompile(`^(yaml: )?line \d+: `)
	unknownField = regexp.MustCompile(`^field (\S+) (?:not found|already set) in type `)
)

// keyPath finds a key below a value.
func keyPath(value any, key string) string {
	switch v := value.(type) {
	case map[string]any:
		if _, ok := v[key]; ok {
			return key
		}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if below := keyPath(v[k], key); below != "" {
				return k + "::" + below
			}
		}
	case []any:
		for i, item := range v {
			if below := keyPath(item, key); below != "" {
				return strconv.Itoa(i) + "::" + below
			}
		}
	}
	return ""
}
