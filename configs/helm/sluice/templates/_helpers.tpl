{{- define "sluice.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sluice.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "sluice.short" .Values.fullnameOverride -}}
{{- else if contains (include "sluice.name" .) .Release.Name -}}
{{- include "sluice.short" .Release.Name -}}
{{- else -}}
{{- include "sluice.short" (printf "%s-%s" .Release.Name (include "sluice.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* A name of at most 40 characters, which leaves room for "-collector" and a StatefulSet's hash in a label. Long names that begin alike stay different. */}}
{{- define "sluice.short" -}}
{{- $name := replace "." "-" . -}}
{{- if gt (len $name) 40 -}}
{{- printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- $name -}}
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
app.kubernetes.io/name: {{ include "sluice.name" $ | quote }}
app.kubernetes.io/instance: {{ $.Release.Name | quote }}
{{- with index . 1 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of a component's pods: the user's cannot take the place of those that selectors need. */}}
{{- define "sluice.podLabels" -}}
{{- $ := index . 0 -}}
{{- toYaml (merge (include "sluice.labels" . | fromYaml) (index $.Values (index . 1)).podLabels) -}}
{{- end -}}

{{/* Annotations of a component's pods: a changed configuration is a new pod. */}}
{{- define "sluice.podAnnotations" -}}
{{- $ := index . 0 -}}
{{- toYaml (merge (dict "checksum/config" (include "sluice.merged" . | sha256sum)) (index $.Values (index . 1)).podAnnotations) -}}
{{- end -}}

{{- define "sluice.image" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- join "/" (compact (list $.Values.image.registry $.Values.image.repository (printf "sluice-%s" $component))) -}}
{{- with index $.Values.image.digest $component -}}
@{{ . }}
{{- else -}}
:{{ default $.Chart.AppVersion $.Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "sluice.serviceAccount" -}}
{{- $ := index . 0 -}}
{{- printf "%s-%s" (include "sluice.fullname" $) (index . 1) -}}
{{- end -}}

{{/* Name of a component's ClusterRole: ":" is in no other name, so no namespace and name give another's. */}}
{{- define "sluice.clusterRole" -}}
{{- $ := index . 0 -}}
{{- printf "%s:%s" $.Release.Namespace (include "sluice.serviceAccount" .) -}}
{{- end -}}

{{/* The presets that are on and have a destination: what has nowhere to go is not gathered, and needs no rights and no mounts. */}}
{{- define "sluice.presets" -}}
{{- $signals := splitList "," (include "sluice.signals" .) -}}
{{- $signal := dict "logs" "logs" "events" "logs" "kubelet" "metrics" "host" "metrics" "annotations" "metrics" "cluster" "metrics" -}}
{{- $on := dict -}}
{{- range $name, $wanted := .Values.presets -}}
{{- $_ := set $on $name (and $wanted (or (not (hasKey $signal $name)) (has (get $signal $name) $signals))) -}}
{{- end -}}
{{- toYaml $on -}}
{{- end -}}

{{/* Whether the agent asks the API server or the kubelet. */}}
{{- define "sluice.agentAsks" -}}
{{- $p := include "sluice.presets" . | fromYaml -}}
{{- if or $p.attributes $p.kubelet $p.annotations .Values.agent.extraRules }}true{{ end -}}
{{- end -}}

{{/* Whether everything goes into the collector's own store. */}}
{{- define "sluice.stores" -}}
{{- if and .Values.collector.enabled (not .Values.destinations) }}true{{ end -}}
{{- end -}}

{{/* Whether the collector has a volume. */}}
{{- define "sluice.hasVolume" -}}
{{- if eq .Values.collector.mode "statefulset" }}true{{ end -}}
{{- end -}}

{{/* Whether the collector watches objects, one replica for all. */}}
{{- define "sluice.collectorWatches" -}}
{{- $p := include "sluice.presets" . | fromYaml -}}
{{- if or $p.cluster $p.events }}true{{ end -}}
{{- end -}}

{{/* Whether the collector asks the API server. */}}
{{- define "sluice.collectorAsks" -}}
{{- if or (include "sluice.collectorWatches" .) .Values.collector.extraRules }}true{{ end -}}
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
{{- $size := index $sizes $component $.Values.size -}}
{{- $own := index $.Values $component "resources" -}}
{{- /* Where only a limit is given, it is the request too: the size's request could be above it. */ -}}
{{- range $resource, $_ := $own.limits -}}
{{- if not (hasKey ($own.requests | default dict) $resource) }}{{ $_ := unset $size.requests $resource }}{{ end -}}
{{- end -}}
{{- toYaml (mergeOverwrite $size $own) -}}
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
{{- include "sluice.check" $ -}}
{{- $base := include "sluice.baseConfig" $ | fromYaml -}}
{{- $own := include (printf "sluice.%sConfig" $component) $ | fromYaml -}}
{{- with $own.Error }}{{ fail (printf "the configuration of the %s is not YAML: %s" $component .) }}{{ end -}}
{{- toYaml (mergeOverwrite $base $own (index $.Values $component "config")) -}}
{{- end -}}
