package command

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sluiceio/sluice/pipeline/config/read"
)

// TestUpRefusesFlagsThatAFileReplaces: a flag that would do nothing is a usage error, not silence.
func TestUpRefusesFlagsThatAFileReplaces(t *testing.T) {
	for _, flag := range []string{"--logs=/x/*.log", "--scrape=127.0.0.1:1", "--retention=2h", "--max-disk=1GiB"} {
		var out, errs bytes.Buffer
		code := Run(context.Background(), Program{Name: "sluice", Up: true}, []string{"up", "--config", "nowhere.yaml", flag}, &out, &errs)
		name, _, _ := strings.Cut(flag, "=")
		if code != ExitUsage || !strings.Contains(errs.String(), name) || !strings.Contains(errs.String(), "Try 'sluice up --help'") {
			t.Errorf("%s beside --config: exit code %d, %q", flag, code, errs.String())
		}
	}
}

// TestFlagsAndSettingsAddUp: --scrape has a receiver of its own, which --set of scrape_configs does not replace.
func TestFlagsAndSettingsAddUp(t *testing.T) {
	c := &cli{Program: Program{Name: "sluice", Default: read.Text{YAML: []byte(
		"receivers: {prometheus: {}, tail: {include: [/a]}}\nservice: {pipelines: {metrics: {receivers: [otlp, prometheus]}, logs: {receivers: [tail]}}}\n")}}}
	text, err := c.overlay(laptop{scrape: []string{"127.0.0.1:9100"}}, func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Receivers map[string]any
		Service   struct {
			Pipelines map[string]struct{ Receivers []string }
		}
	}
	if err := yaml.Unmarshal(text.YAML, &got); err != nil {
		t.Fatal(err)
	}
	if got.Receivers["prometheus/flags"] == nil || got.Receivers["prometheus"] != nil {
		t.Errorf("receivers %v", got.Receivers)
	}
	if list := got.Service.Pipelines["metrics"].Receivers; strings.Join(list, " ") != "otlp prometheus prometheus/flags" || len(got.Service.Pipelines) != 1 {
		t.Errorf("pipelines %v", got.Service.Pipelines)
	}
}
