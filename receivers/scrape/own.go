package scrape

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/sluiceio/sluice/receivers/scrape/promfile"
)

// withJobs returns the section with the jobs that one key each stands for, behind those of the file.
func (c *Config) withJobs() (map[string]any, error) {
	type generated struct {
		key  string
		jobs []any
	}
	all := []generated{{"annotations", c.Annotations.Jobs()}}
	kubelet, err := c.Kubelet.Jobs()
	if err != nil {
		return c.Config, err
	}
	all = append(all, generated{"kubelet", kubelet})
	if c.ScrapeSelf != "" {
		host, err := os.Hostname()
		if err != nil {
			return c.Config, fmt.Errorf(`"scrape_self": cannot get the host name: %w`, err)
		}
		all = append(all, generated{"scrape_self", []any{map[string]any{
			"job_name":       c.ScrapeSelf,
			"static_configs": []any{map[string]any{"targets": []any{"localhost"}, "labels": map[string]any{"instance": host}}},
		}}})
	}
	jobs := slices.Clone(promfile.List(c.Config["scrape_configs"]))
	named := map[string]string{}
	for i, raw := range jobs {
		m, _ := raw.(map[string]any)
		named[promfile.TextOf(m["job_name"])] = fmt.Sprintf("config::scrape_configs::%d::job_name", i)
	}
	added := 0
	for _, g := range all {
		for _, j := range g.jobs {
			name := j.(map[string]any)["job_name"].(string)
			if at := named[name]; at != "" {
				return c.Config, fmt.Errorf("%s: is also the name of a job of %q; take one of them out", at, g.key)
			}
			named[name] = fmt.Sprintf("%q", g.key)
			jobs, added = append(jobs, j), added+1
		}
	}
	if added == 0 {
		return c.Config, nil
	}
	section := map[string]any{}
	maps.Copy(section, c.Config)
	section["scrape_configs"] = jobs
	return section, nil
}

func ownMetrics(from prometheus.Gatherer, buf []byte) (body []byte, contentType string, err error) {
	if from == nil {
		return buf, "", &failure{reasonConnect, errors.New("this process has no metrics of its own")}
	}
	families, err := from.Gather()
	if err != nil && len(families) == 0 {
		return buf, "", &failure{reasonInvalid, err}
	}
	format := expfmt.NewFormat(expfmt.TypeTextPlain)
	b := bytes.NewBuffer(buf)
	enc := expfmt.NewEncoder(b, format)
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return b.Bytes(), "", &failure{reasonInvalid, err}
		}
	}
	return b.Bytes(), string(format), nil
}
