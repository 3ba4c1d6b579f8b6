{{/* Names, labels, images, versions. */}}

{{- define "sidecar.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* The name that the service has in metrics and answers. */}}
{{- define "sidecar.service" -}}
{{- default (include "sidecar.fullname" .) .Values.app.name -}}
{{- end -}}

{{- define "sidecar.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sidecar.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What finds the pods. */}}
{{- define "sidecar.selectorLabels" -}}
{{- if .Values.selectorLabels -}}
{{- toYaml .Values.selectorLabels -}}
{{- else -}}
app.kubernetes.io/name: {{ default (include "sidecar.fullname" .) .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}
{{- end -}}

{{/* Labels of every resource. */}}
{{- define "sidecar.labels" -}}
{{- $labels := dict
    "app.kubernetes.io/name" (default (include "sidecar.fullname" .) .Values.nameOverride)
    "app.kubernetes.io/instance" .Release.Name
    "app.kubernetes.io/managed-by" .Release.Service
    "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_")
-}}
{{- with include "sidecar.versionLabel" . -}}
{{- $_ := set $labels "app.kubernetes.io/version" . -}}
{{- end -}}
{{- toYaml (mergeOverwrite $labels (default dict .Values.commonLabels | deepCopy)) -}}
{{- end -}}

{{/* Labels of the pods: what finds them cannot be overwritten. */}}
{{- define "sidecar.podLabels" -}}
{{- $labels := mergeOverwrite (fromYaml (include "sidecar.labels" .)) (default dict .Values.pod.labels | deepCopy) -}}
{{- with include "sidecar.versionLabel" . -}}
{{- $_ := set $labels "version" . -}}
{{- end -}}
{{- $_ := unset $labels "helm.sh/chart" -}}
{{- toYaml (mergeOverwrite $labels (fromYaml (include "sidecar.selectorLabels" .))) -}}
{{- end -}}

{{/* Metadata that every resource begins with; of (dict "context" . "suffix" "-admin" "labels" dict "annotations" dict). */}}
{{- define "sidecar.metadata" -}}
{{- $context := .context -}}
name: {{ printf "%s%s" (include "sidecar.fullname" $context) (default "" .suffix) | quote }}
namespace: {{ $context.Release.Namespace | quote }}
labels:
  {{- toYaml (mergeOverwrite (fromYaml (include "sidecar.labels" $context)) (deepCopy (default dict .labels))) | nindent 2 }}
{{- with mergeOverwrite (default dict $context.Values.commonAnnotations | deepCopy) (deepCopy (default dict .annotations)) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The service's version; "" where nobody says it. */}}
{{- define "sidecar.version" -}}
{{- default .Values.app.image.tag .Values.app.version.name -}}
{{- end -}}

{{/* The same in the letters of a label. */}}
{{- define "sidecar.versionLabel" -}}
{{- regexReplaceAllLiteral "[^A-Za-z0-9_.-]" (include "sidecar.version" .) "_" | trunc 63 | trimAll "-_." -}}
{{- end -}}

{{/* An image; of (dict "image" … "tag" what an empty tag means). */}}
{{- define "sidecar.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .tag .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* "true" where the cluster is of this minor version or newer; of (list . 29). */}}
{{- define "sidecar.isSince" -}}
{{- $context := index . 0 -}}
{{- $version := default $context.Capabilities.KubeVersion.Version $context.Values.kubeVersion -}}
{{- if semverCompare (printf ">=1.%v.0-0" (index . 1)) $version -}}true{{- end -}}
{{- end -}}

{{/* "true" where the sidecar is an init container that goes on running. */}}
{{- define "sidecar.isNative" -}}
{{- $wanted := toString .Values.sidecar.native -}}
{{- if eq $wanted "auto" -}}
{{- include "sidecar.isSince" (list . 29) -}}
{{- else if eq $wanted "true" -}}true
{{- end -}}
{{- end -}}

{{/* Whole seconds, rounded up, of a duration such as 1m30s, 500ms or 0. */}}
{{- define "sidecar.seconds" -}}
{{- divf (include "sidecar.milliseconds" .) 1000.0 | ceil | int64 -}}
{{- end -}}

{{- define "sidecar.milliseconds" -}}
{{- $units := dict "d" 86400000.0 "h" 3600000.0 "m" 60000.0 "s" 1000.0 "ms" 1.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|[dhms])" (toString .) -1 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- $sum = addf $sum (mulf (float64 (trimSuffix $unit .)) (index $units $unit)) -}}
{{- end -}}
{{- ceil $sum | int64 -}}
{{- end -}}
