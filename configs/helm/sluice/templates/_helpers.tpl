{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "sluice.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "sluice.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels of all objects. Called with (list $ "agent"); the component may be empty. */}}
{{- define "sluice.labels" -}}
{{- $ := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
app.kubernetes.io/part-of: sluice
{{ include "sluice.selector" . }}
{{- end -}}

{{- define "sluice.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "sluice.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{- define "sluice.image" -}}
{{- $ := index . 0 -}}
{{- printf "%s/%s/sluice-%s:%s" $.Values.image.registry $.Values.image.repository (index . 1) (default $.Chart.AppVersion $.Values.image.tag) -}}
{{- end -}}

{{- define "sluice.serviceAccount" -}}
{{- $ := index . 0 -}}
{{- printf "%s-%s" (include "sluice.fullname" $) (index . 1) -}}
{{- end -}}

{{/* Whether everything goes into the collector's own store. */}}
{{- define "sluice.stores" -}}
{{- if and .Values.collector.enabled (not .Values.destinations) }}true{{ end -}}
{{- end -}}

{{/* Whether the collector has a volume. */}}
{{- define "sluice.hasVolume" -}}
{{- if eq .Values.collector.mode "statefulset" }}true{{ end -}}
{{- end -}}

{{/* Whether the collector asks the API server. */}}
{{- define "sluice.collectorWatches" -}}
{{- if or .Values.presets.cluster .Values.presets.events }}true{{ end -}}
{{- end -}}

{{- define "sluice.tlsSecret" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "sluice.fullname" .)) -}}
{{- end -}}

{{/* Requests and limits: (list $ "agent"). What the process needs at rest and under load is in docs/kubernetes.md. */}}
{{- define "sluice.resources" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $sizes := dict
  "agent" (dict
    "small" (dict "requests" (dict "cpu" "50m" "memory" "128Mi") "limits" (dict "memory" "256Mi"))
    "medium" (dict "requests" (dict "cpu" "100m" "memory" "192Mi") "limits" (dict "memory" "384Mi"))
    "large" (dict "requests" (dict "cpu" "200m" "memory" "256Mi") "limits" (dict "memory" "512Mi")))
  "collector" (dict
    "small" (dict "requests" (dict "cpu" "200m" "memory" "512Mi") "limits" (dict "memory" "1Gi"))
    "medium" (dict "requests" (dict "cpu" "1" "memory" "1Gi") "limits" (dict "memory" "2Gi"))
    "large" (dict "requests" (dict "cpu" "2" "memory" "2Gi") "limits" (dict "memory" "4Gi"))) -}}
{{- toYaml (default (index $sizes $component $.Values.size) (index $.Values $component "resources")) -}}
{{- end -}}

{{/* The environment of both: who and where the pod is. */}}
{{- define "sluice.env" -}}
- name: K8S_NODE_NAME
  valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
- name: K8S_NODE_IP
  valueFrom: {fieldRef: {fieldPath: status.hostIP}}
- name: K8S_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: K8S_POD_UID
  valueFrom: {fieldRef: {fieldPath: metadata.uid}}
- name: K8S_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
{{- end -}}

{{- define "sluice.probes" -}}
startupProbe:
  tcpSocket: {port: health}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  tcpSocket: {port: health}
  periodSeconds: 20
readinessProbe:
  httpGet: {path: /, port: health}
  periodSeconds: 10
{{- end -}}

{{/* What both listen on for themselves, and how much memory they take. */}}
{{- define "sluice.baseConfig" -}}
processors:
  memory_limiter: {check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 20}
  batch: {}
extensions:
  health_check: {endpoint: "{{ .Values.listenAddress }}:13133"}
service:
  telemetry:
    metrics: {address: "{{ .Values.listenAddress }}:8888"}
{{- end -}}

{{/* The whole configuration of a component: what both have, its own, and the user's over it. */}}
{{- define "sluice.merged" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- if not $.Values.cluster.name }}{{ fail "cluster.name is missing: everything that is sent says which cluster it is from; add --set cluster.name=NAME" }}{{ end -}}
{{- if and (not $.Values.destinations) (eq $.Values.collector.mode "deployment") }}{{ fail "collector.mode is deployment and destinations is empty: a deployment has no disk to store anything; name a destination, or take statefulset" }}{{ end -}}
{{- $base := include "sluice.baseConfig" $ | fromYaml -}}
{{- $own := include (printf "sluice.%sConfig" $component) $ | fromYaml -}}
{{- with $own.Error }}{{ fail (printf "the configuration of the %s is not YAML: %s" $component .) }}{{ end -}}
{{- toYaml (mergeOverwrite $base $own (index $.Values $component "config")) -}}
{{- end -}}
