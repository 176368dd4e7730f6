{{/* Values that each are well formed, and together cannot work. */}}
{{- define "sluice.check" -}}
{{- if not .Values.cluster.name }}{{ fail "cluster.name is missing: everything that is sent says which cluster it is from; add --set cluster.name=NAME" }}{{ end -}}
{{- if not (regexMatch "^[a-z]" (include "sluice.fullname" .)) }}{{ fail (printf "the name %s does not begin with a letter, as names of Services must: set fullnameOverride" (include "sluice.fullname" .)) }}{{ end -}}
{{- if and .Values.collector.enabled (not .Values.destinations) -}}
{{- if eq .Values.collector.mode "deployment" }}{{ fail "collector.mode is deployment and destinations is empty: a deployment has no disk to store anything; name a destination, or take statefulset" }}{{ end -}}
{{- if gt (int .Values.collector.replicas) 1 }}{{ fail "collector.replicas is more than 1 and destinations is empty: each replica would store a part, and a query would see one of them; name a destination, or take one replica" }}{{ end -}}
{{- end -}}
{{- $names := list -}}
{{- range .Values.destinations -}}
{{- if has .name $names }}{{ fail (printf "destinations has the name %s twice: the second would take the place of the first" .name) }}{{ end -}}
{{- $names = append $names .name -}}
{{- if and (has .type (list "prometheus" "victoriametrics" "loki")) (not (regexMatch "^https?://[^/]+/." .endpoint)) }}{{ fail (printf "destination %s: the endpoint has no path: write the whole one, such as %s%s" .name (trimSuffix "/" .endpoint) (ternary "/loki/api/v1/push" "/api/v1/write" (eq .type "loki"))) }}{{ end -}}
{{- if and (has .type (list "tempo" "otlp")) (regexMatch "/v1/(metrics|logs|traces)/?$" .endpoint) }}{{ fail (printf "destination %s: the endpoint ends in the path of a signal, which is added: write %s" .name (regexReplaceAll "/v1/(metrics|logs|traces)/?$" .endpoint "")) }}{{ end -}}
{{- end -}}
{{- if and .Values.agent.enabled (not .Values.collector.enabled) (not (dig "exporters" "otlp_http" "endpoint" "" .Values.agent.config)) }}{{ fail "collector.enabled is false, so agents have nowhere to send: name it in agent.config.exporters, as endpoint of otlp_http and of otlp_http/files" }}{{ end -}}
{{- if and .Values.tls.enabled (not .Values.tls.secretName) (not .Values.tls.certManager.enabled) }}{{ fail "tls.enabled is true and there is no certificate: name a Secret in tls.secretName, or set tls.certManager.enabled" }}{{ end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.enabled) }}{{ fail "tls.certManager.enabled is true and tls.enabled is not: set both" }}{{ end -}}
{{- if and .Values.tls.certManager.enabled (not .Values.tls.certManager.issuerRef.name) }}{{ fail "tls.certManager.issuerRef has no name: write {kind: ClusterIssuer, name: NAME}" }}{{ end -}}
{{- if and .Values.agent.enabled .Values.agent.hostNetwork .Values.collector.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.extraFrom) }}{{ fail "agent.hostNetwork is true: to a NetworkPolicy agents are then nodes and not pods; name the nodes' addresses in networkPolicy.extraFrom, such as {ipBlock: {cidr: 10.0.0.0/16}}, or set networkPolicy.enabled=false" }}{{ end -}}
{{- end -}}
