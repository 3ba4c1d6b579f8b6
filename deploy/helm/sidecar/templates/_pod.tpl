{{/*
The pieces of a pod. From another chart, call them with this chart's own context:

  {{ include "sidecar.initContainers" .Subcharts.sidecar }}

  sidecar.annotations     for the pod's metadata
  sidecar.initContainers  items of initContainers, after your own
  sidecar.container       items of containers, before your own; empty where the sidecar is a native one
  sidecar.volumes         items of volumes
  sidecar.appProbes       probes of your application's container, from `app.probes`
  sidecar.appLifecycle    lifecycle of your application's container
  sidecar.targetPort      the pods' port, for your Service
  sidecar.terminationGracePeriodSeconds
*/}}

{{/* A new configuration makes new pods; new keys are read by those that run. */}}
{{- define "sidecar.annotations" -}}
{{- $annotations := dict "checksum/sidecar-config" (include "sidecar.config" . | sha256sum) -}}
{{- if .Values.monitoring.annotations.enabled -}}
{{- $prefix := .Values.monitoring.annotations.prefix -}}
{{- $_ := set $annotations (printf "%s/scrape" $prefix) "true" -}}
{{- $_ := set $annotations (printf "%s/port" $prefix) (toString (int .Values.sidecar.ports.admin)) -}}
{{- $_ := set $annotations (printf "%s/path" $prefix) "/metrics" -}}
{{- end -}}
{{- toYaml $annotations -}}
{{- end -}}

{{- define "sidecar.initContainers" -}}
{{- if .Values.dependencyWait.enabled }}
- name: dependencies
  args: [deps, check, --wait, {{ .Values.dependencyWait.timeout | quote }}]
  {{- include "sidecar.command" . | nindent 2 }}
{{- end }}
{{- if .Values.interception.enabled }}
- name: intercept
  {{- include "sidecar.intercept" . | nindent 2 }}
{{- end }}
{{- if include "sidecar.isNative" . }}
- name: sidecar
  restartPolicy: Always
  {{- include "sidecar.run" . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sidecar.container" -}}
{{- if not (include "sidecar.isNative" .) }}
- name: sidecar
  {{- include "sidecar.run" . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sidecar.volumes" -}}
- name: sidecar-config
  configMap:
    name: {{ include "sidecar.fullname" . | printf "%s-sidecar" | quote }}
{{- if include "sidecar.hasKeyFiles" . }}
- name: sidecar-keys
  projected:
    sources:
      {{- with .Values.keyring.existingSecret }}
      - secret: {name: {{ . | quote }}}
      {{- end }}
      {{- with .Values.keyring.existingConfigMap }}
      - configMap: {name: {{ . | quote }}}
      {{- end }}
      {{- if .Values.keyring.inline }}
      - configMap: {name: {{ include "sidecar.fullname" . | printf "%s-sidecar-keys" | quote }}}
      {{- end }}
{{- end }}
{{- if .Values.sidecar.stateDir.enabled }}
- name: sidecar-state
  emptyDir:
    sizeLimit: {{ .Values.sidecar.stateDir.sizeLimit }}
{{- end }}
{{- end -}}

{{/* Image, configuration and rights: what all of the sidecar's containers share. */}}
{{- define "sidecar.base" -}}
image: {{ include "sidecar.image" (dict "image" .Values.sidecar.image "tag" .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.sidecar.image.pullPolicy }}
env:
  - {name: SIDECAR_CONFIG, value: /etc/sidecar/config/sidecar.yaml}
  {{- with include "sidecar.version" . }}
  - {name: VERSION_NAME, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.app.version.sha }}
  - {name: VERSION_SHA, value: {{ . | quote }}}
  {{- end }}
  {{- with .Values.sidecar.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
resources:
  {{- toYaml .Values.sidecar.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.sidecar.securityContext | nindent 2 }}
volumeMounts:
  - {name: sidecar-config, mountPath: /etc/sidecar/config, readOnly: true}
  {{- if include "sidecar.hasKeyFiles" . }}
  - {name: sidecar-keys, mountPath: {{ include "sidecar.keysDir" . }}, readOnly: true}
  {{- end }}
  {{- if .Values.sidecar.stateDir.enabled }}
  - {name: sidecar-state, mountPath: {{ include "sidecar.stateDir" . }}}
  {{- end }}
  {{- with .Values.sidecar.volumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The same for a command that needs neither keys nor state. */}}
{{- define "sidecar.command" -}}
{{- $base := fromYaml (include "sidecar.base" .) -}}
{{- $mounts := list -}}
{{- range $base.volumeMounts -}}
{{- if not (has .name (list "sidecar-keys" "sidecar-state")) -}}
{{- $mounts = append $mounts . -}}
{{- end -}}
{{- end -}}
{{- toYaml (set $base "volumeMounts" $mounts) -}}
{{- end -}}

{{/*
The running sidecar. A native one is told of the pod's end at once, by its preStop, since its SIGTERM comes only after
the application's end: from then on it is not ready and tells callers to go elsewhere, and goes on serving. A plain
container gets SIGTERM at once, which says the same; and has to come first, since its postStart holds those after it
back until it serves.
*/}}
{{- define "sidecar.run" -}}
args: [run]
{{ include "sidecar.base" . }}
ports:
  - {name: sidecar, containerPort: {{ int .Values.sidecar.ports.inbound }}, protocol: TCP}
  - {name: sidecar-admin, containerPort: {{ int .Values.sidecar.ports.admin }}, protocol: TCP}
{{- with .Values.sidecar.probes }}
startupProbe:
  httpGet: {path: {{ include "sidecar.startupPath" $ }}, port: sidecar-admin}
  periodSeconds: {{ int .startup.periodSeconds }}
  failureThreshold: {{ int .startup.failureThreshold }}
livenessProbe:
  httpGet: {path: /live, port: sidecar-admin}
  periodSeconds: {{ int .liveness.periodSeconds }}
  timeoutSeconds: {{ int .liveness.timeoutSeconds }}
  failureThreshold: {{ int .liveness.failureThreshold }}
readinessProbe:
  httpGet: {path: /ready, port: sidecar-admin}
  periodSeconds: {{ int .readiness.periodSeconds }}
  timeoutSeconds: {{ int .readiness.timeoutSeconds }}
  failureThreshold: {{ int .readiness.failureThreshold }}
{{- end }}
{{- $admin := printf "127.0.0.1:%d" (int .Values.sidecar.ports.admin) }}
lifecycle:
  {{- if include "sidecar.isNative" . }}
  preStop: {exec: {command: [sidecar, drain, --admin, {{ $admin | quote }}]}}
  {{- else }}
  postStart: {exec: {command: [sidecar, healthcheck, --admin, {{ $admin | quote }}, --wait, "120"]}}
  {{- end }}
{{- end -}}

{{- define "sidecar.startupPath" -}}
{{- $token := (((.Values.sidecar.config).auth).forward).token -}}
{{- default (ternary "/ready" "/live" (eq "resign" (default "keep" $token))) .Values.sidecar.probes.startup.path -}}
{{- end -}}

{{/* Redirects the ports, and is gone. The one container that has a right: NET_ADMIN. */}}
{{- define "sidecar.intercept" -}}
{{- $values := .Values -}}
{{- $ports := concat (fromYamlArray (include "sidecar.interceptedPorts" .)) (fromYamlArray (include "sidecar.ports" $values.interception.opaquePorts)) -}}
{{- $args := list "intercept" "apply"
    "--ports" (join "," $ports)
    "--to" (toString (int $values.sidecar.ports.inbound))
    "--admin" (toString (int $values.sidecar.ports.admin))
    "--uid" (include "sidecar.uid" .)
-}}
{{- with coalesce ($values.app.securityContext).runAsUser ($values.pod.securityContext).runAsUser -}}
{{- $args = concat $args (list "--app-uid" (int . | toString)) -}}
{{- end -}}
{{- range $values.interception.exceptSources -}}
{{- $args = concat $args (list "--except-sources" .) -}}
{{- end -}}
{{- with $values.interception.outbound -}}
{{- if .enabled -}}
{{- $args = concat $args (list "--outbound-to" (toString (int .port))) -}}
{{- with .exceptPorts -}}
{{- $args = concat $args (list "--outbound-except-ports" (join "," (fromYamlArray (include "sidecar.ports" .)))) -}}
{{- end -}}
{{- range .exceptNetworks -}}
{{- $args = concat $args (list "--outbound-except-networks" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
image: {{ include "sidecar.image" (dict "image" $values.sidecar.image "tag" .Chart.AppVersion) | quote }}
imagePullPolicy: {{ $values.sidecar.image.pullPolicy }}
args:
  {{- toYaml (concat $args (default list $values.interception.extraArgs)) | nindent 2 }}
resources:
  {{- toYaml $values.interception.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: false
  runAsUser: 0
  runAsGroup: 0
  capabilities: {drop: [ALL], add: [NET_ADMIN]}
{{- end -}}

{{/* The user that the sidecar runs as. */}}
{{- define "sidecar.uid" -}}
{{- $uid := (.Values.sidecar.securityContext).runAsUser -}}
{{- kindIs "invalid" $uid | ternary 1337 $uid | int -}}
{{- end -}}

{{/* How long the application goes on after the pod's end has begun. */}}
{{- define "sidecar.stopDelaySeconds" -}}
{{- if not (kindIs "invalid" .Values.app.stopDelaySeconds) -}}
{{- int .Values.app.stopDelaySeconds -}}
{{- else -}}
{{- $drain := include "sidecar.drainSeconds" . | int -}}
{{- ternary $drain (add $drain (include "sidecar.graceSeconds" .)) (eq "true" (include "sidecar.isNative" .)) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.drainSeconds" -}}
{{- $drain := ((.Values.sidecar.config).shutdown).drain -}}
{{- include "sidecar.seconds" (kindIs "invalid" $drain | ternary "5s" $drain) -}}
{{- end -}}

{{/* What requests in flight have. */}}
{{- define "sidecar.graceSeconds" -}}
{{- $grace := ((.Values.sidecar.config).shutdown).grace -}}
{{- include "sidecar.seconds" (kindIs "invalid" $grace | ternary "25s" $grace) -}}
{{- end -}}

{{/* What the sidecar may take once it has drained: the same, and its last word. */}}
{{- define "sidecar.endSeconds" -}}
{{- $grace := (fromYaml (include "sidecar.config.shutdown" .)).grace -}}
{{- include "sidecar.seconds" (kindIs "invalid" $grace | ternary "25s" $grace) -}}
{{- end -}}

{{/*
The application's preStop. As a native sidecar outlives the application, it has only to wait until callers have gone
elsewhere; before that, until the sidecar has no use for the application any more.
*/}}
{{- define "sidecar.appLifecycle" -}}
{{- $seconds := include "sidecar.stopDelaySeconds" . | int -}}
{{- if .Values.app.lifecycle -}}
{{- toYaml .Values.app.lifecycle -}}
{{- else if not $seconds -}}
{{- else if include "sidecar.isSince" (list . 30) -}}
preStop: {sleep: {seconds: {{ $seconds }}}}
{{- else -}}
preStop: {exec: {command: [sleep, {{ $seconds | quote }}]}}
{{- end -}}
{{- end -}}

{{/*
What the end takes: the application's delay, and then the native sidecar's end; a plain one's goes on beside it. The
rest is for the application, and for a kubelet that is late.
*/}}
{{- define "sidecar.terminationGracePeriodSeconds" -}}
{{- if not (kindIs "invalid" .Values.pod.terminationGracePeriodSeconds) -}}
{{- int .Values.pod.terminationGracePeriodSeconds -}}
{{- else -}}
{{- $delay := include "sidecar.stopDelaySeconds" . | int -}}
{{- $end := include "sidecar.endSeconds" . | int -}}
{{- if include "sidecar.isNative" . -}}
{{- add 10 (max $delay (include "sidecar.drainSeconds" .)) $end -}}
{{- else -}}
{{- add 10 (max $delay (add $end (include "sidecar.drainSeconds" .))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The port at which the pods serve callers: the sidecar's own, with interception too. So a Service leads to the sidecar of
every pod while a rollout switches interception on or off, and never to an application that is not intercepted yet.
*/}}
{{- define "sidecar.targetPort" -}}
{{- int .Values.sidecar.ports.inbound -}}
{{- end -}}

{{/* The application's probes. An httpGet without a port goes where a caller's request would go. */}}
{{- define "sidecar.appProbes" -}}
{{- range $name := list "startup" "liveness" "readiness" }}
{{- with index $.Values.app.probes $name }}
{{- $probe := deepCopy . }}
{{- with $probe.httpGet }}
{{- if not .port }}
{{- $_ := set . "port" (include "sidecar.targetPort" $ | int) }}
{{- end }}
{{- end }}
{{ $name }}Probe:
  {{- toYaml $probe | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}
