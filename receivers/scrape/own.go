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

func (c *Config) withSelf() (map[string]any, error) {
	if c.ScrapeSelf == "" {
		return c.Config, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return c.Config, fmt.Errorf(`"scrape_self": cannot get the host name: %w`, err)
	}
	job := map[string]any{
		"job_name":       c.ScrapeSelf,
		"static_configs": []any{map[string]any{"targets": []any{"localhost"}, "labels": map[string]any{"instance": host}}},
	}
	for i, raw := range promfile.List(c.Config["scrape_configs"]) {
		if m, _ := raw.(map[string]any); promfile.TextOf(m["job_name"]) == c.ScrapeSelf {
			return c.Config, fmt.Errorf(`config::scrape_configs::%d::job_name: is also the name in "scrape_self"; take one of them out`, i)
		}
	}
	section := map[string]any{}
	maps.Copy(section, c.Config)
	section["scrape_configs"] = append(slices.Clone(promfile.List(section["scrape_configs"])), job)
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
