// Package collector is the central daemon: its components in data-path order, and its default configuration.
package collector

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
	"github.com/sluiceio/sluice/receivers/k8sevents"
	"github.com/sluiceio/sluice/receivers/k8sobjects"
	"github.com/sluiceio/sluice/receivers/kubestate"
	nopreceiver "github.com/sluiceio/sluice/receivers/nop"
	"github.com/sluiceio/sluice/receivers/otlp"
	"github.com/sluiceio/sluice/receivers/scrape"
	"github.com/sluiceio/sluice/store"
)

//go:embed default.yaml
var defaultYAML []byte

// Components returns the components that a configuration may name.
func Components() []pipeline.Component {
	return []pipeline.Component{
		otlp.Component(),
		canaryreceiver.Component(),
		nopreceiver.Component(),
		kubestate.Component(),
		scrape.Component(), // for its own metrics, and small sites without agents
		k8sevents.Component(),
		k8sobjects.Component(),

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

		store.Component(),
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

// Program is the sluice-collector binary.
func Program() command.Program {
	return command.Program{
		Name: "sluice-collector",
		Doc: "sluice-collector receives telemetry from agents and applications, batches it and routes it to where it\n" +
			"is stored; without a file it stores and serves it itself.",
		Components: Components(),
		Default:    read.Text{Name: "embedded default (collector)", YAML: defaultYAML},
		Options:    config.Options{MetricsEndpoint: "127.0.0.1:8888", HealthEndpoint: "127.0.0.1:13133"},
	}
}
