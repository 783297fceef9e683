{{- define "rnaget.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "rnaget.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rnaget.metadata" -}}
name: {{ include "rnaget.name" . }}
labels:
  {{- include "rnaget.selector" . | nindent 2 }}
  app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ .Release.Service }}
  helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "rnaget.checked" -}}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicas) 1) }}
{{- if and $several (not .Values.ticketKeys.secretName) }}
{{- fail "several replicas need the same keys, or tickets of one are refused by the others: set ticketKeys.secretName" }}
{{- end }}
{{- if and (eq .Values.settings.forwarded_allow_ips "*") (not .Values.networkPolicy.enabled) }}
{{- fail "with forwarded_allow_ips \"*\" everybody who reaches a pod may claim any address: enable networkPolicy, or name the proxies" }}
{{- end }}
{{- if and .Values.shared.secretName (not .Values.ticketKeys.secretName) }}
{{- fail "slices that servers share are signed by the keys of tickets: set ticketKeys.secretName" }}
{{- end }}
{{- if and .Values.shared.secretName .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) }}
{{- fail "the network policy lets no pod reach the store that servers share: add it to networkPolicy.egress" }}
{{- end }}
{{- if and .Values.autoscaling.requestsInProgress (not (and .Values.autoscaling.enabled .Values.metrics.enabled)) }}
{{- fail "autoscaling.requestsInProgress needs the metrics of the server: enable autoscaling and metrics" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.settings.public_url) }}
{{- fail "the URLs in tickets begin with settings.public_url: set it to the address that clients see, such as https://rna.example.org" }}
{{- end }}
{{- end }}
