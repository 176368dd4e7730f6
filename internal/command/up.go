package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/internal/listen"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

type laptop struct {
	logs      []string
	scrape    []string
	retention string
	maxDisk   string
}

func (c *cli) up() *cobra.Command {
	var l laptop
	cmd := &cobra.Command{
		Use: "up", Args: noArguments,
		Short: "run agent, collector and store in one process; look at http://127.0.0.1:7700",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.check(); err != nil {
				return errUsage{err, cmd}
			}
			if err := c.ignored(cmd.Flags().Changed); err != nil {
				return errUsage{err, cmd}
			}
			text, err := c.overlay(l, cmd.Flags().Changed)
			if err != nil {
				return err
			}
			c.flags.overlay = []read.Text{text}
			return c.runDaemon(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&l.logs, "logs", nil, "also tail the files that match `GLOB`, from the lines that come next; repeatable")
	f.StringArrayVar(&l.scrape, "scrape", nil, "also scrape `HOST:PORT`/metrics every 15 s; repeatable")
	f.StringVar(&l.retention, "retention", "7d", "how long what is stored is kept, as in 7d or 36h")
	f.StringVar(&l.maxDisk, "max-disk", "5GiB", "how much disk (`SIZE`) all stores together may use")
	return cmd
}

// check validates the flags; the rest is validated as configuration.
func (l laptop) check() error {
	for _, t := range l.scrape {
		if err := listen.CheckAddress(t, "127.0.0.1:9100"); err != nil {
			return fmt.Errorf("--scrape takes HOST:PORT: %w", err)
		}
	}
	for _, g := range l.logs {
		if _, err := filepath.Match(strings.ReplaceAll(g, "**", "*"), ""); err != nil {
			return fmt.Errorf("--logs %q: %w", g, err)
		}
	}
	return nil
}

// ignored refuses flags that would have no effect because --config replaces the embedded default.
func (c *cli) ignored(changed func(string) bool) error {
	if len(c.flags.config) == 0 {
		return nil
	}
	for _, name := range []string{"logs", "scrape", "retention", "max-disk"} {
		if changed(name) {
			return fmt.Errorf("--%s changes the embedded default, which --config replaces; write it into the file", name)
		}
	}
	return nil
}

// document is the part of the embedded default that the flags change. Merging replaces lists, so the default's
// elements are repeated.
type document struct {
	Receivers struct {
		Tail struct {
			Include []string `yaml:"include"`
			Exclude []string `yaml:"exclude,omitempty"`
		} `yaml:"tail"`
		Flags map[string]any `yaml:"prometheus/flags,omitempty"`
	} `yaml:"receivers"`
	Exporters struct {
		Store map[string]any `yaml:"store,omitempty"`
	} `yaml:"exporters,omitempty"`
	Service struct {
		Pipelines map[string]struct {
			Receivers []string `yaml:"receivers"`
		} `yaml:"pipelines,omitempty"`
	} `yaml:"service,omitempty"`
}

func (c *cli) overlay(l laptop, changed func(string) bool) (read.Text, error) {
	var d document
	if err := yaml.Unmarshal(c.Default.YAML, &d); err != nil {
		return read.Text{}, fmt.Errorf("BUG: the embedded default is not YAML: %w", err)
	}
	d.Exporters.Store = map[string]any{}
	for _, g := range l.logs {
		abs, err := filepath.Abs(g)
		if err != nil {
			return read.Text{}, err
		}
		d.Receivers.Tail.Include = append(d.Receivers.Tail.Include, abs)
	}
	d.Receivers.Tail.Exclude = append(d.Receivers.Tail.Exclude, ownOutput()...)
	metrics := d.Service.Pipelines["metrics"]
	d.Service.Pipelines = nil
	if len(l.scrape) > 0 {
		// A separate receiver, so that --set of the other one's scrape_configs does not remove these targets.
		d.Receivers.Flags = map[string]any{"config": map[string]any{"scrape_configs": []map[string]any{{
			"job_name": "scrape", "scrape_interval": "15s", "static_configs": []map[string]any{{"targets": l.scrape}},
		}}}}
		metrics.Receivers = append(metrics.Receivers, "prometheus/flags")
		d.Service.Pipelines = map[string]struct {
			Receivers []string `yaml:"receivers"`
		}{"metrics": metrics}
	}
	if changed("retention") {
		d.Exporters.Store["retention"] = l.retention
	}
	if changed("max-disk") {
		d.Exporters.Store["max_disk"] = l.maxDisk
	}
	text, err := yaml.Marshal(d)
	return read.Text{Name: "the flags of " + c.Name + " up", YAML: text}, err
}

// ownOutput names the files of our stdout and stderr: tailing them would feed on itself.
func ownOutput() []string {
	var out []string
	for _, f := range []*os.File{os.Stdout, os.Stderr} {
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err == nil {
			out = append(out, path)
		}
	}
	return out
}
