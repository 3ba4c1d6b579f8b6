{{/* The pod of the application, with the sidecar beside it; of the chart's own workloads. */}}

{{- define "sidecar.podTemplate" -}}
{{- $pod := .Values.pod -}}
metadata:
  labels:
    {{- include "sidecar.podLabels" . | nindent 4 }}
  annotations:
    {{- toYaml (mergeOverwrite (fromYaml (include "sidecar.annotations" .)) (default dict .Values.commonAnnotations | deepCopy) (default dict $pod.annotations | deepCopy)) | nindent 4 }}
spec:
  {{- if ne .Values.workload.kind "Deployment" }}
  restartPolicy: {{ .Values.workload.job.restartPolicy }}
  {{- end }}
  serviceAccountName: {{ include "sidecar.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
  enableServiceLinks: {{ $pod.enableServiceLinks }}
  terminationGracePeriodSeconds: {{ include "sidecar.terminationGracePeriodSeconds" . }}
  securityContext:
    {{- toYaml $pod.securityContext | nindent 4 }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- range $name := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
  {{- with index $pod $name }}
  {{ $name }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $name := list "nodeSelector" "affinity" "tolerations" "dnsConfig" "hostAliases" }}
  {{- with index $pod $name }}
  {{ $name }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  {{- if and (eq .Values.workload.kind "Deployment") $pod.topologySpread.topologyKeys }}
  topologySpreadConstraints:
    {{- range $pod.topologySpread.topologyKeys }}
    - topologyKey: {{ . | quote }}
      maxSkew: {{ int $pod.topologySpread.maxSkew }}
      whenUnsatisfiable: {{ $pod.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "sidecar.selectorLabels" $ | nindent 10 }}
      {{- if include "sidecar.isSince" (list $ 27) }}
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
  {{- end }}
  {{- $initContainers := concat (default list $pod.initContainers) (fromYamlArray (include "sidecar.initContainers" .)) }}
  {{- if $initContainers }}
  initContainers:
    {{- with $pod.initContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "sidecar.initContainers" . | trim | nindent 4 }}
  {{- end }}
  containers:
    {{- with include "sidecar.container" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    - name: app
      {{- include "sidecar.app" . | nindent 6 }}
    {{- with $pod.containers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "sidecar.volumes" . | nindent 4 }}
    {{- if .Values.app.tmpDir }}
    - name: app-tmp
      emptyDir: {}
    {{- end }}
    {{- with $pod.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "sidecar.app" -}}
{{- $app := .Values.app -}}
image: {{ include "sidecar.image" (dict "image" $app.image "tag" "latest") | quote }}
imagePullPolicy: {{ $app.image.pullPolicy }}
{{- range $name := list "command" "args" "workingDir" "env" "envFrom" "resources" "securityContext" }}
{{- with index $app $name }}
{{ $name }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
ports:
  - {name: http, containerPort: {{ int $app.port }}, protocol: TCP}
  {{- with $app.extraPorts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with include "sidecar.appProbes" . | trim }}
{{ . }}
{{- end }}
{{- with include "sidecar.appLifecycle" . }}
lifecycle:
  {{- . | nindent 2 }}
{{- end }}
{{- if or $app.tmpDir $app.volumeMounts }}
volumeMounts:
  {{- if $app.tmpDir }}
  - {name: app-tmp, mountPath: /tmp}
  {{- end }}
  {{- with $app.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}
