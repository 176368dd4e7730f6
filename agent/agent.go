// Package agent is the node daemon: its components in data-path order, and its default configuration.
package agent

import (
	_ "embed"

	"github.com/sluiceio/sluice/connectors/count"
	"github.com/sluiceio/sluice/connectors/failover"
	"github.com/sluiceio/sluice/connectors/forward"
	"github.com/sluiceio/sluice/connectors/routing"
	"github.com/sluiceio/sluice/exporters/debug"
	"github.com/sluiceio/sluice/exporters/file"
	"github.com/sluiceio/sluice/exporters/loki"
	"github.com/sluiceio/sluice/exporters/nop"
	"github.com/sluiceio/sluice/exporters/otlpgrpc"
	"github.com/sluiceio/sluice/exporters/otlphttp"
	"github.com/sluiceio/sluice/exporters/prometheus"
	"github.com/sluiceio/sluice/exporters/remotewrite"
	"github.com/sluiceio/sluice/internal/command"
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config"
	"github.com/sluiceio/sluice/pipeline/config/read"
	"github.com/sluiceio/sluice/processors/attributes"
	"github.com/sluiceio/sluice/processors/batch"
	"github.com/sluiceio/sluice/processors/canary"
	"github.com/sluiceio/sluice/processors/filter"
	"github.com/sluiceio/sluice/processors/groupbyattrs"
	"github.com/sluiceio/sluice/processors/k8sattributes"
	"github.com/sluiceio/sluice/processors/limit"
	"github.com/sluiceio/sluice/processors/memorylimiter"
	"github.com/sluiceio/sluice/processors/probabilisticsampler"
	"github.com/sluiceio/sluice/processors/redaction"
	"github.com/sluiceio/sluice/processors/resource"
	"github.com/sluiceio/sluice/processors/resourcedetection"
	"github.com/sluiceio/sluice/processors/transform"
	canaryreceiver "github.com/sluiceio/sluice/receivers/canary"
	"github.com/sluiceio/sluice/receivers/host"
	"github.com/sluiceio/sluice/receivers/journald"
	nopreceiver "github.com/sluiceio/sluice/receivers/nop"
	"github.com/sluiceio/sluice/receivers/otlp"
	"github.com/sluiceio/sluice/receivers/scrape"
	"github.com/sluiceio/sluice/receivers/tail"
)

//go:embed default.yaml
var defaultYAML []byte

// Components returns the components that a configuration may name.
func Components() []pipeline.Component {
	return []pipeline.Component{
		scrape.Component(),
		host.Component(),
		tail.Component(),
		journald.Component(),
		otlp.Component(),
		canaryreceiver.Component(),
		nopreceiver.Component(),

		memorylimiter.Component(),
		resource.Component(),
		resourcedetection.Component(),
		filter.Component(),
		transform.Component(),
		attributes.Component(),
		k8sattributes.Component(),
		limit.Component(),
		groupbyattrs.Component(),
		probabilisticsampler.Component(),
		redaction.Component(),
		batch.Component(),
		canary.Component(),

		forward.Component(),
		routing.Component(),
		failover.Component(),
		count.Component(),

		otlphttp.Component(),
		otlpgrpc.Component(),
		remotewrite.Component(),
		prometheus.Component(),
		loki.Component(),
		file.Component(),
		debug.Component(),
		nop.Component(),
	}
}

func Program() command.Program {
	return command.Program{
		Name: "sluice-agent",
		Doc: "sluice-agent reads a node: it scrapes Prometheus targets, tails logs, reads host metrics, takes OTLP from\n" +
			"the applications beside it, and sends it all to a collector.",
		Components: Components(),
		Default:    read.Text{Name: "embedded default (agent)", YAML: defaultYAML},
		Options:    config.Options{MetricsEndpoint: "127.0.0.1:8889", HealthEndpoint: "127.0.0.1:13134"},
		GCPercent:  50, // its data has few pointers and makes little garbage, so trade CPU for memory
	}
}
