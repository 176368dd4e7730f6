{{/* The signals that have somewhere to go. */}}
{{- define "sluice.signals" -}}
{{- $have := dict -}}
{{- range .Values.destinations }}
{{- $type := .type -}}
{{- if has $type (list "prometheus" "victoriametrics" "otlp") }}{{ $_ := set $have "metrics" true }}{{ end -}}
{{- if has $type (list "loki" "otlp") }}{{ $_ := set $have "logs" true }}{{ end -}}
{{- if has $type (list "tempo" "otlp") }}{{ $_ := set $have "traces" true }}{{ end -}}
{{- else }}
{{- $have = dict "metrics" true "logs" true "traces" true -}}
{{- end -}}
{{- keys $have | sortAlpha | join "," -}}
{{- end -}}

{{/* The exporter of a destination. */}}
{{- define "sluice.exporterID" -}}
{{- $types := dict "prometheus" "prometheus_remote_write" "victoriametrics" "prometheus_remote_write" "loki" "loki" "tempo" "otlp_http" "otlp" "otlp_http" -}}
{{- printf "%s/%s" (index $types .type) .name -}}
{{- end -}}

{{/* The volume, in GiB. */}}
{{- define "sluice.volumeSize" -}}
{{- $size := .Values.collector.volume.size -}}
{{- if hasSuffix "Ti" $size }}{{ mul 1024 (trimSuffix "Ti" $size | int64) }}{{ else }}{{ trimSuffix "Gi" $size }}{{ end -}}
{{- end -}}

{{/* What each queue may take of the volume, in bytes: 80 % for all. */}}
{{- define "sluice.queueSize" -}}
{{- div (mul (include "sluice.volumeSize" . | int64) 858993459) (len .Values.destinations) -}}
{{- end -}}

{{/* The collector's configuration. */}}
{{- define "sluice.collectorConfig" -}}
{{- $p := include "sluice.presets" . | fromYaml -}}
{{- $signals := splitList "," (include "sluice.signals" .) -}}
receivers:
  otlp:
    protocols:
      {{- range $protocol, $port := dict "grpc" 4317 "http" 4318 }}
      {{ $protocol }}:
        endpoint: "{{ $.Values.listenAddress }}:{{ $port }}"
        {{- if $.Values.tls.enabled }}
        tls: {cert_file: /etc/sluice/tls/tls.crt, key_file: /etc/sluice/tls/tls.key}
        {{- end }}
      {{- end }}
  prometheus:
    scrape_self: sluice-collector
    config:
      global: {scrape_interval: 15s}
{{- if $p.cluster }}
  kube_state: {k8s_leader_elector: k8s_leader_elector}
{{- end }}
{{- if $p.events }}
  k8s_events: {k8s_leader_elector: k8s_leader_elector}
{{- end }}
processors:
  resource: # for what does not come through an agent
    attributes:
      - {key: k8s.cluster.name, action: insert, value: {{ .Values.cluster.name | quote }}}
{{- if include "sluice.stores" . }}
exporters:
  store:
    endpoint: "{{ .Values.listenAddress }}:7700"
    retention: {{ .Values.collector.store.retention }}
    max_disk: {{ .Values.collector.store.maxDisk | default (printf "%dMiB" (mul 768 (include "sluice.volumeSize" . | int64))) }}
{{- else }}
exporters:
  {{- range .Values.destinations }}
  {{- $type := .type }}
  {{ include "sluice.exporterID" . }}:
    endpoint: {{ .endpoint | quote }}
    {{- if has $type (list "tempo" "otlp") }}
    compression: zstd
    {{- end }}
    {{- if has $type (list "prometheus" "victoriametrics") }}
    external_labels: {cluster: {{ $.Values.cluster.name | quote }}}
    {{- end }}
    {{- if .tenant }}
    {{- if eq $type "loki" }}
    tenant_id: {{ .tenant | quote }}
    {{- else }}
    headers: {X-Scope-OrgID: {{ .tenant | quote }}}
    {{- end }}
    {{- end }}
    {{- include "sluice.access" . | nindent 4 }}
    {{- if include "sluice.hasVolume" $ }}
    {{ ternary "remote_write_queue" "sending_queue" (has $type (list "prometheus" "victoriametrics")) }}: {storage: file_storage, sizer: bytes, queue_size: {{ include "sluice.queueSize" $ }}}
    {{- end }}
  {{- end }}
{{- end }}
{{- $extensions := list "health_check" }}
{{- if and (include "sluice.hasVolume" .) .Values.destinations }}{{ $extensions = append $extensions "file_storage" }}{{ end }}
{{- if include "sluice.collectorWatches" . }}{{ $extensions = append $extensions "k8s_leader_elector" }}{{ end }}
{{- if gt (len $extensions) 1 }}
extensions:
  {{- if has "file_storage" $extensions }}
  file_storage: {}
  {{- end }}
  {{- if has "k8s_leader_elector" $extensions }}
  # Of all replicas one asks the API server.
  k8s_leader_elector: {lease_name: {{ include "sluice.fullname" . }}-collector, lease_namespace: {{ .Release.Namespace | quote }}}
  {{- end }}
{{- end }}
service:
  extensions: {{ toJson $extensions }}
  pipelines:
    {{- range $signal := $signals }}
    {{- $exporters := list }}
    {{- range $.Values.destinations }}
    {{- $takes := dict "prometheus" (list "metrics") "victoriametrics" (list "metrics") "loki" (list "logs") "tempo" (list "traces") "otlp" (list "metrics" "logs" "traces") }}
    {{- if has $signal (index $takes .type) }}{{ $exporters = append $exporters (include "sluice.exporterID" .) }}{{ end }}
    {{- else }}{{ $exporters = list "store" }}
    {{- end }}
    {{ $signal }}: {receivers: {{ if eq $signal "metrics" }}[otlp, prometheus{{ if $p.cluster }}, kube_state{{ end }}]{{ else if and (eq $signal "logs") $p.events }}[otlp, k8s_events]{{ else }}[otlp]{{ end }}, processors: [memory_limiter, resource, batch], exporters: {{ toJson $exporters }}}
    {{- end }}
{{- end -}}

{{/* A destination's credentials and certificates: files of its Secrets. */}}
{{- define "sluice.access" -}}
{{- $auth := .auth | default dict -}}
{{- $tls := .tls | default dict -}}
{{- $out := dict -}}
{{- if $auth.tokenKey }}{{ $_ := set $out "bearer_token_file" (printf "/etc/sluice/%s-auth/%s" .name $auth.tokenKey) }}{{ end -}}
{{- if $auth.username }}{{ $_ := set $out "basic_auth" (dict "username" $auth.username "password_file" (printf "/etc/sluice/%s-auth/%s" .name ($auth.passwordKey | default "password"))) }}{{ end -}}
{{- $keys := dict -}}
{{- if $tls.caSecretName }}{{ $_ := set $keys "ca_file" (printf "/etc/sluice/%s-ca/%s" .name ($tls.caKey | default "ca.crt")) }}{{ end -}}
{{- if $tls.insecureSkipVerify }}{{ $_ := set $keys "insecure_skip_verify" true }}{{ end -}}
{{- if $keys }}{{ $_ := set $out "tls" $keys }}{{ end -}}
{{- if $out }}{{ toYaml $out }}{{ end -}}
{{- end -}}

{{/* The volumes of the destinations' Secrets, as a list. */}}
{{- define "sluice.accessVolumes" -}}
{{- range .Values.destinations -}}
{{- $name := .name }}
{{- with (.auth | default dict).secretName }}
- {name: {{ $name }}-auth, secret: {secretName: {{ . }}, defaultMode: 288}}
{{- end }}
{{- with (.tls | default dict).caSecretName }}
- {name: {{ $name }}-ca, secret: {secretName: {{ . }}, defaultMode: 288}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sluice.accessMounts" -}}
{{- range .Values.destinations -}}
{{- $name := .name }}
{{- if (.auth | default dict).secretName }}
- {name: {{ $name }}-auth, mountPath: /etc/sluice/{{ $name }}-auth, readOnly: true}
{{- end }}
{{- if (.tls | default dict).caSecretName }}
- {name: {{ $name }}-ca, mountPath: /etc/sluice/{{ $name }}-ca, readOnly: true}
{{- end }}
{{- end }}
{{- end -}}
