{{- define "seedsweep.selector" -}}
app.kubernetes.io/name: seedsweep
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "seedsweep.labels" -}}
{{ include "seedsweep.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "seedsweep.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Of every container of ours: Pod Security "restricted", and a root file system that is read only. */}}
{{- define "seedsweep.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "seedsweep.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Whom the operator's Roles, or its ClusterRole, are bound to. */}}
{{- define "seedsweep.subjects" -}}
- kind: ServiceAccount
  name: {{ .Values.serviceAccount.name }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Of a network policy: addresses by their CIDRs, and ports. */}}
{{- define "seedsweep.blocks" -}}
{{- $blocks := list }}
{{- range . }}
{{- $blocks = append $blocks (dict "ipBlock" (dict "cidr" .)) }}
{{- end }}
{{- toYaml $blocks }}
{{- end }}

{{- define "seedsweep.ports" -}}
{{- $ports := list }}
{{- range . }}
{{- $ports = append $ports (dict "port" (int .)) }}
{{- end }}
{{- toYaml $ports }}
{{- end }}
