{{/* The agent's configuration. */}}
{{- define "sluice.agentConfig" -}}
{{- $signals := splitList "," (include "sluice.signals" .) -}}
{{- $p := include "sluice.presets" . | fromYaml -}}
{{- $scheme := ternary "https" "http" .Values.tls.enabled -}}
{{- $endpoint := printf "%s://%s-collector.%s.svc:4318" $scheme (include "sluice.fullname" .) .Release.Namespace -}}
{{- $common := list "memory_limiter" -}}
{{- if $p.attributes }}{{ $common = append $common "k8s_attributes" }}{{ end -}}
{{- $common = concat $common (list "resource" "batch") -}}
{{- $metrics := list "otlp" "prometheus" -}}
{{- if $p.host }}{{ $metrics = append $metrics "host" }}{{ end -}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "{{ .Values.listenAddress }}:4317"}
      http: {endpoint: "{{ .Values.listenAddress }}:4318"}
  {{- if $p.logs }}
  tail:
    detect: [severity, trace]
    include: [/var/log/pods/*/*/*.log]
    start_at: beginning
  {{- end }}
  {{- if $p.host }}
  host:
    collection_interval: 15s
    instance: ${env:K8S_NODE_NAME}
    procfs: /host/proc
    sysfs: /host/sys
    rootfs: /host/root
    {{- if not .Values.agent.hostNetwork }}
    exclude: [arp, conntrack, netdev, netstat, sockstat, udp_queues] # /proc/net is the reader's own network
    {{- end }}
  {{- end }}
  prometheus:
    scrape_self: sluice-agent
    config:
      global: {scrape_interval: 15s}
    {{- if $p.kubelet }}
    kubelet: {enabled: true, insecure_skip_verify: {{ .Values.agent.kubelet.insecureSkipVerify }}}
    {{- end }}
    {{- if $p.annotations }}
    annotations: {enabled: true, own_node: true}
    {{- end }}
processors:
  {{- if $p.attributes }}
  k8s_attributes:
    filter: {node_from_env_var: K8S_NODE_NAME}
    extract:
      otel_annotations: true
      metadata: [k8s.namespace.name, k8s.pod.name, k8s.pod.uid, k8s.pod.start_time, k8s.node.name, k8s.deployment.name, k8s.statefulset.name,
        k8s.daemonset.name, k8s.cronjob.name, k8s.job.name, k8s.container.name, container.image.name, container.image.tag,
        service.name, service.namespace, service.version, service.instance.id]
  {{- end }}
  resource:
    attributes:
      - {key: k8s.cluster.name, action: upsert, value: {{ .Values.cluster.name | quote }}}
      - {key: k8s.node.name, action: insert, value: "${env:K8S_NODE_NAME}"}
exporters:
  # What cannot be asked for again waits on disk while the collector is away.
  otlp_http:
    endpoint: {{ $endpoint }}
    compression: zstd
    sending_queue: {storage: file_storage, sizer: bytes, queue_size: 1073741824}
    {{- include "sluice.clientTLS" . | nindent 4 }}
  {{- if $p.logs }}
  # Files are their own queue.
  otlp_http/files:
    endpoint: {{ $endpoint }}
    compression: zstd
    {{- include "sluice.clientTLS" . | nindent 4 }}
  {{- end }}
extensions:
  file_storage: {}
service:
  extensions: [health_check, file_storage]
  pipelines:
    {{- if has "metrics" $signals }}
    metrics: {receivers: {{ toJson $metrics }}, processors: {{ toJson $common }}, exporters: [otlp_http]}
    {{- end }}
    {{- if has "logs" $signals }}
    logs: {receivers: [otlp], processors: {{ toJson $common }}, exporters: [otlp_http]}
    {{- if $p.logs }}
    logs/files: {receivers: [tail], processors: {{ toJson $common }}, exporters: [otlp_http/files]}
    {{- end }}
    {{- end }}
    {{- if has "traces" $signals }}
    traces: {receivers: [otlp], processors: {{ toJson $common }}, exporters: [otlp_http]}
    {{- end }}
{{- end -}}

{{- define "sluice.clientTLS" -}}
{{- if .Values.tls.enabled -}}
tls: {ca_file: /etc/sluice/tls/ca.crt}
{{- end -}}
{{- end -}}
