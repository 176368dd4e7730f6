package promfile

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/config"
	"go.yaml.in/yaml/v3"
)

// faultsOf finds every fault and its key by passing smaller and smaller parts to Prometheus' loader, which stops at the
// first fault.
func faultsOf(section map[string]any) (errs []error) {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		if advice, is := notScraping[key]; is {
			errs = append(errs, fmt.Errorf("config::%s: is not for scraping: %s", key, advice))
		}
	}
	global := pick(section, "global")
	if faults := globalFaults(global); len(faults) > 0 {
		errs = append(errs, faults...)
		global = map[string]any{}
	}
	errs = append(errs, jobsFaults(section["scrape_configs"], "config::scrape_configs", global)...)
	for i, pattern := range List(section["scrape_config_files"]) {
		at := fmt.Sprintf("config::scrape_config_files::%d", i)
		names, err := filepath.Glob(fmt.Sprint(pattern))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no pattern of file names: %w", at, pattern, err))
		}
		for _, name := range names {
			errs = append(errs, fileFaults(name, at, global)...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(section)) {
		_, known := notScraping[key]
		if !known && !slices.Contains([]string{"global", "scrape_configs", "scrape_config_files"}, key) {
			if _, err := parse(pick(section, key)); err != nil {
				errs = append(errs, faultsAt(err, "config", section)...)
			}
		}
	}
	return errs
}

// globalFaults checks the section global, alone and with an empty job.
func globalFaults(section map[string]any) (errs []error) {
	global, _ := section["global"].(map[string]any)
	job := func(keys map[string]any) map[string]any {
		return map[string]any{"global": keys, "scrape_configs": []any{map[string]any{"job_name": "a"}}}
	}
	cfg, whole := parse(job(global))
	if whole == nil {
		for _, fault := range unsupported(cfg.ScrapeConfigs[0]) {
			errs = append(errs, fmt.Errorf("config::global::%s", fault))
		}
		return errs
	}
	for _, key := range slices.Sorted(maps.Keys(global)) {
		if _, err := parse(job(pick(global, key))); err != nil {
			at := "config::global"
			if !unknownField.MatchString(texts(err)[0]) {
				at += "::" + key
			}
			errs = append(errs, faultsAt(err, at, pick(global, key))...)
		}
	}
	if len(errs) == 0 {
		return faultsAt(whole, "config::global", section)
	}
	return errs
}

func jobsFaults(jobs any, path string, global map[string]any) (errs []error) {
	for i, raw := range List(jobs) {
		at := fmt.Sprintf("%s::%d", path, i)
		m, ok := raw.(map[string]any)
		if !ok {
			errs = append(errs, fmt.Errorf("%s: is not a scrape config: write job_name and its keys", at))
			continue
		}
		cfg, err := parse(withJob(global, m))
		if err != nil || len(unsupported(cfg.ScrapeConfigs[0])) > 0 {
			errs = append(errs, jobFaults(m, at, err, global)...)
		}
	}
	return errs
}

func fileFaults(name, at string, global map[string]any) []error {
	text, err := os.ReadFile(name)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", at, err)}
	}
	var section map[string]any
	if err := yaml.Unmarshal(text, &section); err != nil {
		return faultsAt(err, at+": "+name, nil)
	}
	return jobsFaults(section["scrape_configs"], at+": "+name+": scrape_configs", global)
}

func withJob(global, job map[string]any) map[string]any {
	one := maps.Clone(global)
	one["scrape_configs"] = []any{job}
	return one
}

func jobFaults(m map[string]any, path string, whole error, global map[string]any) (errs []error) {
	name := pick(m, "job_name")
	if _, err := parse(withJob(global, name)); err != nil {
		errs = faultsAt(err, path, name)
		name = map[string]any{"job_name": "a"} // go on with the others
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if key == "job_name" {
			continue
		}
		one := maps.Clone(name)
		one[key] = m[key]
		cfg, err := parse(withJob(global, one))
		if err == nil {
			for _, fault := range unsupported(cfg.ScrapeConfigs[0]) {
				errs = append(errs, fmt.Errorf("%s::%s", path, fault))
			}
			continue
		}
		errs = append(errs, keyFaults(one, key, path, err, global)...)
	}
	if len(errs) == 0 && whole != nil { // the keys are valid alone but not together
		return faultsAt(whole, path, m)
	}
	return errs
}

// keyFaults finds what is wrong with one key: the key, items of its list, or the whole value.
func keyFaults(job map[string]any, key, path string, err error, global map[string]any) (errs []error) {
	value := job[key]
	one := maps.Clone(job)
	one[key] = nil
	if _, err := parse(withJob(global, one)); err != nil && strings.Contains(err.Error(), "field "+key+" not found") {
		return faultsAt(err, path, job)
	}
	at := path + "::" + key
	for i, item := range List(value) {
		one[key] = []any{item}
		if _, err := parse(withJob(global, one)); err != nil {
			errs = append(errs, faultsAt(err, fmt.Sprintf("%s::%d", at, i), item)...)
		}
	}
	if len(errs) == 0 {
		return faultsAt(err, at, value)
	}
	return errs
}

func parse(section map[string]any) (*config.Config, error) {
	register()
	text, err := yaml.Marshal(section)
	if err != nil {
		return nil, fmt.Errorf("cannot write the section for Prometheus' loader: %w", err)
	}
	return config.Load(string(text), slog.New(slog.DiscardHandler))
}

func pick(m map[string]any, key string) map[string]any {
	out := map[string]any{}
	if v, ok := m[key]; ok {
		out[key] = v
	}
	return out
}

// faultsAt prefixes each fault of a loader error with path, and for unknown keys with the key's own path in value.
func faultsAt(err error, path string, value any) (errs []error) {
	for _, text := range texts(err) {
		at := path
		if m := unknownField.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("unknown key %q: Prometheus has none of this name here", m[1])
			if mechanism, is := strings.CutSuffix(m[1], "_sd_configs"); is && slices.Contains(Discoveries, mechanism) {
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

func texts(err error) (out []string) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		text := strings.TrimSpace(lineNumber.ReplaceAllString(strings.TrimSpace(line), ""))
		if text != "" && text != "yaml: unmarshal errors:" {
			out = append(out, text)
		}
	}
	return out
}

var (
	lineNumber   = regexp.MustCompile(`^(yaml: )?line \d+: `)
	unknownField = regexp.MustCompile(`^field (\S+) (?:not found|already set) in type `)
)

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
