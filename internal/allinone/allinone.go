// Package allinone is the sluice binary: agent and collector in one process.
package allinone

import (
	_ "embed"

	"github.com/sluiceio/sluice/agent"
	"github.com/sluiceio/sluice/collector"
	"github.com/sluiceio/sluice/internal/command"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

//go:embed default.yaml
var defaultYAML []byte

// Components are the agent's and the collector's, each once.
func Components() []pipeline.Component {
	list := agent.Components()
	have := map[string]bool{}
	for _, c := range list {
		have[string(c.Kind)+c.Type] = true
	}
	for _, c := range collector.Components() {
		if !have[string(c.Kind)+c.Type] {
			list = append(list, c)
		}
	}
	return list
}

// Program is the sluice binary.
func Program() command.Program {
	return command.Program{
		Name: "sluice",
		Doc: "sluice stores and shows what this machine and its applications tell: `sluice up`, then look at\n" +
			"http://127.0.0.1:7700. The other verbs check and print configurations of any Sluice daemon.",
		Components: Components(),
		Default:    read.Text{Name: "embedded default (up)", YAML: defaultYAML},
		Options:    config.Options{MetricsEndpoint: "127.0.0.1:8888", HealthEndpoint: "127.0.0.1:13133"},
		Up:         true,
	}
}
