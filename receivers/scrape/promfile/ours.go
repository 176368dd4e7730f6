package promfile

import (
	"errors"
	"fmt"
	"maps"

	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/kubernetes"

	"github.com/sluiceio/sluice/receivers/scrape/kubesd"
)

// entry is an entry of a job's kubernetes_sd_configs.
type entry struct{ job, at int }

// key is where the user finds it: jobs of scrape_config_files come behind the section's own.
func (e entry) key(jobs []*config.ScrapeConfig, own int) string {
	at := fmt.Sprintf("config::scrape_configs::%d", e.job)
	if e.job >= own {
		at = fmt.Sprintf("config::scrape_config_files: job %q", jobs[e.job].JobName)
	}
	return fmt.Sprintf("%s::kubernetes_sd_configs::%d", at, e.at)
}

const ownNode = "own_node"

// withoutOurs returns the section without the keys that Prometheus' loader does not know, and their values as text. The section
// given stays as it is.
func withoutOurs(section map[string]any) (map[string]any, map[entry]string) {
	own := map[entry]string{}
	jobs := List(section["scrape_configs"])
	out := append([]any(nil), jobs...)
	for i, j := range jobs {
		job, _ := j.(map[string]any)
		entries := List(job["kubernetes_sd_configs"])
		kept := append([]any(nil), entries...)
		for k, e := range entries {
			if m, _ := e.(map[string]any); m != nil {
				if v, set := m[ownNode]; set {
					own[entry{i, k}] = textOfAny(v)
					m = maps.Clone(m)
					delete(m, ownNode)
					kept[k] = m
				}
			}
		}
		if len(entries) > 0 {
			job = maps.Clone(job)
			job["kubernetes_sd_configs"] = kept
			out[i] = job
		}
	}
	if len(own) == 0 {
		return section, own
	}
	section = maps.Clone(section)
	section["scrape_configs"] = out
	return section, own
}

func textOfAny(v any) string {
	if text := TextOf(v); text != "" {
		return text
	}
	return fmt.Sprint(v)
}

// useOurs puts our discovery in the place of Prometheus'. inline is how many of the jobs are not of files.
func useOurs(jobs []*config.ScrapeConfig, inline int, own map[entry]string) error {
	var errs []error
	for i, j := range jobs {
		at := 0
		for k, c := range j.ServiceDiscoveryConfigs {
			theirs, is := c.(*kubernetes.SDConfig)
			if !is {
				continue
			}
			e := entry{i, at}
			at++
			ours := &kubesd.Config{SDConfig: theirs}
			switch text := own[e]; text {
			case "", "false":
			case "true":
				ours.OwnNode = true
			default:
				errs = append(errs, fmt.Errorf("%s::%s: is %q: write true or false", e.key(jobs, inline), ownNode, text))
			}
			if err := ours.Check(); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", e.key(jobs, inline), err))
			}
			j.ServiceDiscoveryConfigs[k] = discovery.Config(ours)
		}
	}
	return errors.Join(errs...)
}
