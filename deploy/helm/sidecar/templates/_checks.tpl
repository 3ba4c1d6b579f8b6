{{/*
What is each right and together wrong. Every template below says one sentence a line, each with what to set; all of
them are said at once. What the schema can say, it says: these are about values that contradict each other.
*/}}

{{- define "sidecar.checks" -}}
{{- $problems := list -}}
{{- range $name := list "workload" "pod" "service" "keyring" "ports" "interception" "waiting" "config" -}}
{{- range splitList "\n" (include (printf "sidecar.checks.%s" $name) $) -}}
{{- with trim . -}}{{- $problems = append $problems . -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- with $problems -}}
{{- fail (printf "\n\n  %s\n" (join "\n  " .)) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.checks.workload" -}}
{{- $values := .Values -}}
{{- $kind := $values.workload.kind -}}
{{- if ne $kind "None" }}
{{- if not $values.app.image.repository }}
app.image.repository is not set: name your application's image, such as registry.example/thoughts, and its tag in app.image.tag.
{{- else if not (or $values.app.image.tag $values.app.image.digest) }}
app.image.tag is not set: name the tag of your application's image, or its digest in app.image.digest.
{{- end }}
{{- else if and (not $values.selectorLabels) (or $values.adminService.enabled $values.networkPolicy.enabled $values.monitoring.podMonitor.enabled) }}
selectorLabels is not set: name the labels of the pods that your own chart makes, or switch off adminService, networkPolicy and monitoring.podMonitor.
{{- end }}
{{- if and (eq $kind "CronJob") (not $values.workload.cronJob.schedule) }}
workload.cronJob.schedule is not set: say when it runs, such as "0 3 * * *".
{{- end }}
{{- if and (has $kind (list "Job" "CronJob")) (not (include "sidecar.isNative" .)) }}
workload.kind: a {{ $kind }} completes only beside a native sidecar, which needs Kubernetes 1.29 or newer and sidecar.native auto or true.
{{- end }}
{{- if and (eq "true" (toString $values.sidecar.native)) (not (include "sidecar.isSince" (list . 28))) }}
sidecar.native: needs Kubernetes 1.28 with the feature SidecarContainers, or 1.29; set it to auto.
{{- end }}
{{- if not (regexMatch "^[a-z]([a-z0-9-]*[a-z0-9])?$" (include "sidecar.fullname" .)) }}
The release's name, {{ .Release.Name }}, is none that a Service can have (lower-case letters, digits and -, a letter first): set fullnameOverride.
{{- end }}
{{- if eq $kind "Deployment" }}
{{- if ge (int $values.workload.minReadySeconds) (int $values.workload.progressDeadlineSeconds) }}
workload.progressDeadlineSeconds has to be more than workload.minReadySeconds, {{ int $values.workload.minReadySeconds }}: no rollout would be in time.
{{- end }}
{{- with $values.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
autoscaling.minReplicas is more than autoscaling.maxReplicas: swap them.
{{- end }}
{{- if and .enabled (not (or .targetCPUUtilizationPercentage .targetMemoryUtilizationPercentage .metrics)) }}
autoscaling has nothing to decide by: set targetCPUUtilizationPercentage, targetMemoryUtilizationPercentage or metrics.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What Kubernetes would refuse of the pods. */}}
{{- define "sidecar.checks.pod" -}}
{{- $values := .Values -}}
{{- if ne $values.workload.kind "None" }}
{{- $delay := include "sidecar.stopDelaySeconds" . | int }}
{{- $grace := include "sidecar.terminationGracePeriodSeconds" . | int }}
{{- if and $delay (not $values.app.lifecycle) (ge $delay $grace) }}
pod.terminationGracePeriodSeconds is {{ $grace }}, and the application is told to end after {{ $delay }} seconds only (app.stopDelaySeconds, or shutdown.drain): give more, or leave it out.
{{- end }}
{{- range $name, $probe := dict "startup" $values.app.probes.startup "liveness" $values.app.probes.liveness "readiness" $values.app.probes.readiness }}
{{- if and $probe (not (or $probe.httpGet $probe.exec $probe.tcpSocket $probe.grpc)) }}
app.probes.{{ $name }} says nothing to do: set its httpGet (with a path), exec, tcpSocket or grpc, or leave it out.
{{- end }}
{{- end }}
{{- range $values.app.volumeMounts }}
{{- if and $values.app.tmpDir (eq "/tmp" (clean .mountPath)) }}
app.volumeMounts has a /tmp of its own: set app.tmpDir to false.
{{- end }}
{{- end }}
{{- range concat (default list $values.pod.initContainers) (default list $values.pod.containers) }}
{{- if has .name (list "app" "sidecar" "intercept" "dependencies") }}
pod: the chart has a container {{ .name }} of its own: give yours another name.
{{- end }}
{{- end }}
{{- range $values.pod.volumes }}
{{- if has .name (list "app-tmp" "sidecar-config" "sidecar-keys" "sidecar-state") }}
pod.volumes: the chart has a volume {{ .name }} of its own: give yours another name.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidecar.checks.service" -}}
{{- with .Values.service }}
{{- if and .enabled (eq .type "ClusterIP") .nodePort }}
service.nodePort means nothing for service.type ClusterIP: set NodePort or LoadBalancer, or leave it out.
{{- end }}
{{- if and .enabled (eq .type "ClusterIP") .externalTrafficPolicy }}
service.externalTrafficPolicy means nothing for service.type ClusterIP: set NodePort or LoadBalancer, or leave it out.
{{- end }}
{{- if and .enabled (ne .type "ClusterIP") (eq "None" .clusterIP) }}
service.clusterIP None is for service.type ClusterIP only: leave one out.
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidecar.checks.keyring" -}}
{{- $mode := include "sidecar.mode" . -}}
{{- with .Values.keyring -}}
{{- if and (ne $mode "off") (not (or .existingSecret .existingConfigMap .inline .urls .issuers)) }}
keyring has no source of keys while sidecar.config.auth.mode is {{ $mode }}: set keyring.existingSecret, existingConfigMap, inline, urls or issuers, or the mode to off.
{{- end }}
{{- $files := list }}
{{- range $id, $text := .inline }}
{{- $file := include "sidecar.keyFile" $id }}
{{- if has $file $files }}
keyring.inline has {{ $file }} twice, as {{ trimSuffix ".pub" $file }} and with its ending: leave one out.
{{- end }}
{{- $files = append $files $file }}
{{- $isKey := not (regexMatch "\\.(since|revoked)$" $id) }}
{{- if or (contains "PRIVATE KEY" $text) (and $isKey (regexMatch "\"(d|k)\"\\s*:" $text)) }}
keyring.inline.{{ $id }} is a private key: put the public one here ({{ $id }}.pub of `sidecar keys generate`), and take the private key for known to others.
{{- else if and $isKey (not (regexMatch "-----BEGIN (RSA PUBLIC KEY|PUBLIC KEY|CERTIFICATE)-----|\"kty\"" $text)) }}
keyring.inline.{{ $id }} is no public key: put PEM text (-----BEGIN PUBLIC KEY-----) or a JWK here.
{{- end }}
{{- end }}
{{- $seen := list }}
{{- range concat (default list .urls) (default list .issuers) }}
{{- $place := default .url .issuer }}
{{- $isPlain := hasPrefix "http://" (lower $place) }}
{{- if has $place $seen }}
keyring: {{ $place }} is listed twice; leave one.
{{- end }}
{{- $seen = append $seen $place }}
{{- if and $isPlain (not .insecure) (not (regexMatch "^http://(localhost|127\\.[0-9.]+|\\[::1\\])([:/]|$)" (lower $place))) }}
keyring: over {{ $place }} anyone on the way can replace the keys: use https, or set insecure: true beside it.
{{- end }}
{{- if and (not $isPlain) .insecure }}
keyring: insecure means nothing for {{ $place }}, whose certificates are always checked; leave it out.
{{- end }}
{{- if and $isPlain .ca .url }}
keyring: ca means nothing for {{ $place }}; leave it out.
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* Each port has one owner. */}}
{{- define "sidecar.checks.ports" -}}
{{- $values := .Values -}}
{{- $ports := list
    (list "sidecar.ports.inbound" $values.sidecar.ports.inbound)
    (list "sidecar.ports.admin" $values.sidecar.ports.admin)
-}}
{{- $ours := $ports -}}
{{- if and $values.interception.enabled $values.interception.outbound.enabled -}}
{{- $ours = append $ours (list "interception.outbound.port" $values.interception.outbound.port) -}}
{{- end -}}
{{- $ports = append $ours (list "app.port" $values.app.port) -}}
{{- range $index, $port := $values.app.extraPorts -}}
{{- if eq "TCP" (default "TCP" $port.protocol) -}}
{{- $ports = append $ports (list (printf "app.extraPorts[%d].containerPort" $index) $port.containerPort) -}}
{{- end -}}
{{- end -}}
{{- $taken := dict -}}
{{- range $ports }}
{{- $path := first . }}
{{- $number := last . | int | toString }}
{{- with get $taken $number }}
{{ . }} and {{ $path }} are both {{ $number }}: give each a port of its own.
{{- end }}
{{- $_ := set $taken $number $path }}
{{- end }}
{{- if $values.interception.enabled }}
{{- range $name := list "ports" "opaquePorts" }}
{{- $list := index $values.interception $name }}
{{- range $ours }}
{{- if include "sidecar.isPortOf" (list (last .) $list) }}
interception.{{ $name }} has {{ last . | int }}, which is {{ first . }}: leave it out.
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidecar.checks.interception" -}}
{{- $values := .Values -}}
{{- if $values.interception.enabled -}}
{{- $port := int $values.app.port -}}
{{- $ports := fromYamlArray (include "sidecar.interceptedPorts" .) -}}
{{- if include "sidecar.isPortOf" (list $port $values.interception.opaquePorts) }}
interception.opaquePorts has app.port {{ $port }}: its bytes would pass without a token; take it out of the list.
{{- else if not (include "sidecar.isPortOf" (list $port $ports)) }}
interception.ports leaves out app.port {{ $port }}, which would be open to everybody: add it.
{{- end }}
{{- $ranges := concat $ports (fromYamlArray (include "sidecar.ports" $values.interception.opaquePorts)) }}
{{- range $index, $one := $ranges }}
{{- $ends := splitList "-" (toString $one) }}
{{- if gt (first $ends | int) (last $ends | int) }}
interception: the range {{ $one }} ends before it begins: swap its ends.
{{- end }}
{{- range $other := slice $ranges (add1 $index | int) }}
{{- $others := splitList "-" (toString $other) }}
{{- if and (le (first $ends | int) (last $others | int)) (le (first $others | int) (last $ends | int)) }}
interception: {{ $one }} and {{ $other }} overlap: name each port once, in ports or in opaquePorts.
{{- end }}
{{- end }}
{{- end }}
{{- $uid := include "sidecar.uid" . | int }}
{{- if not $uid }}
sidecar.securityContext.runAsUser is 0: with interception every process of root would go around the sidecar; use a user of its own, such as 1337.
{{- else }}
{{- range $path, $context := dict "app.securityContext" $values.app.securityContext "pod.securityContext" $values.pod.securityContext }}
{{- if eq $uid (default 0 ($context).runAsUser | int) }}
{{ $path }}.runAsUser is {{ $uid }}, the sidecar's own user, whose traffic is not intercepted: run the application as another.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
{{- end -}}

{{- define "sidecar.checks.waiting" -}}
{{- if not .Values.dependencies }}
{{- if .Values.dependencyWait.enabled }}
dependencyWait has nothing to wait for: name the services in dependencies, or switch it off.
{{- end }}
{{- if .Values.preflight.dependencies }}
preflight.dependencies has nothing to wait for: name the services in dependencies, or switch it off.
{{- end }}
{{- end }}
{{- end -}}
