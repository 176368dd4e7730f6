package config

import (
	"github.com/sluiceio/sluice/pipeline"
	"github.com/sluiceio/sluice/pipeline/config/read"
)

// The types of the Collector and its contrib repository, without underscores so that older and newer names match
// (hostmetrics, host_metrics). The value is the replacement, as "the NAME KIND", or empty. They tell a misspelling
// from an unsupported component.

func knownType(kind pipeline.Kind, typ string) (instead string, known bool) {
	switch kind {
	case pipeline.KindReceiver:
		instead, known = knownReceivers[read.Normal(typ)]
	case pipeline.KindProcessor:
		instead, known = knownProcessors[read.Normal(typ)]
	case pipeline.KindConnector:
		instead, known = knownConnectors[read.Normal(typ)]
	case pipeline.KindExporter:
		instead, known = knownExporters[read.Normal(typ)]
	}
	return instead, known
}

var knownReceivers = map[string]string{
	"activedirectoryds": "", "aerospike": "", "apache": "", "apachespark": "", "awscloudwatch": "",
	"awscontainerinsightreceiver": "", "awscontainerinsights": "", "awsecscontainermetrics": "", "awsfirehose": "",
	"awss3": "", "awsxray": "", "azureblob": "", "azureeventhub": "", "azuremonitor": "", "bigip": "", "carbon": "",
	"chrony": "", "cloudfoundry": "", "cloudflare": "", "collectd": "", "couchdb": "", "datadog": "", "dockerstats": "",
	"elasticsearch": "", "expvar": "", "faro": "", "filelog": "the tail receiver", "filestats": "", "flinkmetrics": "",
	"fluentforward": "", "github": "", "gitlab": "", "googlecloudmonitoring": "", "googlecloudpubsub": "",
	"googlecloudspanner": "", "haproxy": "", "hostmetrics": "the host receiver", "httpcheck": "", "iis": "",
	"influxdb": "", "jaeger": "the otlp receiver", "jmx": "", "journald": "the journald receiver", "k8scluster": "the kube_state receiver",
	"k8sevents": "", "k8sobjects": "", "kafka": "", "kafkametrics": "", "kubeletstats": "the prometheus receiver",
	"loki": "", "memcached": "", "mongodb": "", "mongodbatlas": "", "mysql": "",
	"namedpipe": "", "netflow": "", "nginx": "", "nsxt": "", "ntp": "", "opencensus": "the otlp receiver",
	"oracledb": "", "osquery": "", "otelarrow": "the otlp receiver", "otlpjsonfile": "", "podman": "",
	"postgresql": "", "prometheus": "", "prometheusremotewrite": "", "prometheussimple": "the prometheus receiver",
	"pulsar": "", "purefa": "", "purefb": "", "rabbitmq": "", "receivercreator": "", "redis": "", "riak": "",
	"saphana": "", "signalfx": "", "simpleprometheus": "the prometheus receiver", "skywalking": "", "snmp": "",
	"snowflake": "", "solace": "", "splunkenterprise": "", "splunkhec": "", "sqlquery": "", "sqlserver": "",
	"sshcheck": "", "statsd": "", "stef": "", "syslog": "", "systemd": "", "tcpcheck": "", "tcplog": "",
	"tlscheck": "", "udplog": "", "vcenter": "", "vcrreceiver": "", "wavefront": "", "webhookevent": "",
	"windowseventlog": "", "windowsperfcounters": "", "windowsservice": "", "zipkin": "the otlp receiver",
	"zookeeper": "",
}

var knownProcessors = map[string]string{
	"attributes": "", "batch": "", "coralogix": "", "cumulativetodelta": "", "deltatocumulative": "", "deltatorate": "",
	"dnslookup": "", "filter": "", "geoip": "", "groupbyattrs": "", "groupbytrace": "", "interval": "", "isolationforest": "",
	"k8sattributes": "", "logdedup": "", "logstransform": "", "lookup": "", "memorylimiter": "",
	"metricsgeneration": "", "metricstarttime": "", "metricstransform": "", "probabilisticsampler": "",
	"redaction": "", "remotetap": "", "resource": "", "resourcedetection": "", "routing": "",
	"schema": "", "span": "", "spanpruning": "", "sumologic": "", "tailsampling": "", "transform": "", "unroll": "",
}

var knownExporters = map[string]string{
	"alertmanager": "", "alibabacloudlogservice": "", "awscloudwatchlogs": "", "awsemf": "", "awskinesis": "",
	"awss3": "", "awsxray": "", "azureblob": "", "azuredataexplorer": "", "azuremonitor": "", "bmchelix": "",
	"carbon": "", "cassandra": "", "clickhouse": "", "coralogix": "", "datadog": "", "dataset": "", "doris": "",
	"elasticsearch": "", "faro": "", "file": "the file exporter", "googlecloud": "", "googlecloudpubsub": "",
	"googlecloudstorage": "", "googlemanagedprometheus": "", "honeycombmarker": "", "influxdb": "",
	"jaeger": "the otlp_grpc exporter", "kafka": "", "loadbalancing": "", "logging": "the debug exporter",
	"logicmonitor": "", "logzio": "", "loki": "", "mezmo": "", "opencensus": "the otlp_grpc exporter",
	"opensearch": "", "otelarrow": "the otlp_grpc exporter", "otlp": "", "otlphttp": "", "prometheus": "",
	"prometheusremotewrite": "", "pulsar": "", "rabbitmq": "", "sapm": "the otlp_http exporter", "sentry": "",
	"signalfx": "", "skywalking": "", "splunkhec": "", "stef": "", "sumologic": "", "syslog": "",
	"tencentcloudlogservice": "", "tinybird": "", "zipkin": "the otlp_http exporter",
}

var knownConnectors = map[string]string{
	"count": "", "datadog": "", "exceptions": "", "failover": "", "forward": "", "grafanacloud": "", "metricsaslogs": "",
	"otlpjson": "", "roundrobin": "", "routing": "", "servicegraph": "", "signaltometrics": "", "slowsql": "",
	"spanmetrics": "", "sum": "",
}

// harmlessExtensions are ignored with a warning.
var harmlessExtensions = []string{"zpages", "memoryballast", "cgroupruntime"}

// knownExtensions say what to do instead.
var knownExtensions = map[string]string{
	"ack": "take it out", "asapclient": "take it out", "avrologencoding": "take it out",
	"awsproxy": "take it out", "awss3provider": "take it out",
	"azureauth":        "take it out, and set the headers of the exporter",
	"basicauth":        "take it out, and set basic_auth of the exporter",
	"bearertokenauth":  "take it out, and set bearer_token_file of the exporter",
	"cfgardenobserver": "take it out", "cgroupruntime": "take it out; memory and CPU limits are followed without it",
	"dbstorage": "take it out", "dockerobserver": "take it out", "ecsobserver": "take it out", "ecstaskobserver": "take it out",
	"googleclientauth":            "take it out, and set the headers of the exporter",
	"googlecloudlogentryencoding": "take it out",
	"headerssetter":               "take it out, and set the headers of the exporter",
	"healthcheckv2":               "use health_check",
	"hostobserver":                "take it out", "httpforwarder": "take it out", "jaegerencoding": "take it out",
	"jaegerremotesampling": "take it out", "jsonlogencoding": "take it out",
	"k8sobserver": "take it out", "kafkatopicsobserver": "take it out",
	"memoryballast": "take it out; GOMEMLIMIT does what it was for",
	"memorylimiter": "use the processor memory_limiter",
	"oauth2client":  "take it out, and set the headers of the exporter",
	"oidc":          "take it out", "opamp": "take it out", "otlpencoding": "take it out",
	"redisstorage": "take it out", "remotetap": "take it out",
	"sigv4auth": "take it out", "skywalkingencoding": "take it out", "solarwindsapmsettings": "take it out",
	"sumologic": "take it out", "textencoding": "take it out", "zipkinencoding": "take it out",
	"zpages": "take it out, and look at /metrics",
}
