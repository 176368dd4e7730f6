{{/* The agent's configuration. */}}
{{- define "sluice.agentConfig" -}}
{{- $signals := splitList "," (include "sluice.signals" .) -}}
{{- $p := merge (dict "logs" (and .Values.presets.logs (has "logs" $signals)) "host" (and .Values.presets.host (has "metrics" $signals))) .Values.presets -}}
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
  {{- end }}
  prometheus:
    scrape_self: sluice-agent
    config:
      global: {scrape_interval: 15s}
      {{- if or $p.kubelet $p.annotations }}
      scrape_configs:
        {{- if $p.kubelet }}
        {{- range $path := list "/metrics" "/metrics/cadvisor" "/metrics/resource" }}
        - job_name: kubelet{{ $path | replace "/" "-" }}
          scheme: https
          metrics_path: {{ $path }}
          honor_timestamps: false
          authorization: {credentials_file: /var/run/secrets/kubernetes.io/serviceaccount/token}
          tls_config: {ca_file: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt, insecure_skip_verify: {{ $.Values.agent.kubelet.insecureSkipVerify }}}
          kubernetes_sd_configs:
            - {role: node, own_node: true}
          relabel_configs:
            - {target_label: job, replacement: kubelet}
            - {source_labels: [__metrics_path__], target_label: metrics_path}
            - {source_labels: [__meta_kubernetes_node_name], target_label: node}
          {{- if eq $path "/metrics/cadvisor" }}
          metric_relabel_configs:
            # As kube-prometheus: series of cgroups without a pod, and those that nobody reads.
            - source_labels: [__name__]
              regex: container_(network_tcp_usage_total|network_udp_usage_total|tasks_state|cpu_load_average_10s|memory_failures_total|blkio_device_usage_total|file_descriptors|sockets|threads_max|ulimits_soft)
              action: drop
            - source_labels: [__name__, pod]
              regex: container_(fs_.*|spec_.*|start_time_seconds|last_seen|processes|threads);
              action: drop
          {{- end }}
        {{- end }}
        {{- end }}
        {{- if $p.annotations }}
        - job_name: pods
          kubernetes_sd_configs:
            - {role: pod, own_node: true}
          relabel_configs:
            - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: "true", action: keep}
            - {source_labels: [__meta_kubernetes_pod_phase], regex: 'Succeeded|Failed', action: drop}
            # One target a pod: the port of the annotation, at the pod's own address.
            - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip], regex: '(\d+);([\d.]+)', target_label: __address__, replacement: "$$2:$$1"}
            - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port, __meta_kubernetes_pod_ip], regex: '(\d+);([0-9a-fA-F:]+:[0-9a-fA-F:.]*)', target_label: __address__, replacement: "[$$2]:$$1"}
            - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path], regex: '(/.*)', target_label: __metrics_path__}
            - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme], regex: '(https?)', target_label: __scheme__}
            - {source_labels: [__meta_kubernetes_pod_container_init], regex: "true", action: drop}
            - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
            - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
            - {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
            - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], regex: '(.+)', target_label: job}
        {{- end }}
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
