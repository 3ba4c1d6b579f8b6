{{/* The sidecar's configuration file: what the values say, in its own words. */}}

{{- define "sidecar.config" -}}
{{- $values := .Values -}}
{{- $config := default dict $values.sidecar.config | deepCopy -}}
{{- $_ := set $config "service" (include "sidecar.service" .) -}}
{{- $_ := set $config "listen" (printf "%s:%d" $values.sidecar.address (int $values.sidecar.ports.inbound)) -}}
{{- $_ := set $config "admin" (printf "%s:%d" $values.sidecar.address (int $values.sidecar.ports.admin)) -}}
{{- $_ := set $config "upstream" (mergeOverwrite (default dict $config.upstream) (fromYaml (include "sidecar.config.upstream" .))) -}}
{{- $_ := set $config "auth" (mergeOverwrite (default dict $config.auth) (fromYaml (include "sidecar.config.auth" .))) -}}
{{- if and $values.interception.enabled $values.interception.opaquePorts -}}
{{- $_ := set $config "opaque_ports" (fromYamlArray (include "sidecar.ports" $values.interception.opaquePorts)) -}}
{{- end -}}
{{- if and $values.interception.enabled $values.interception.outbound.enabled -}}
{{- $port := int $values.interception.outbound.port -}}
{{- $listen := list (printf "127.0.0.1:%d" $port) -}}
{{- if eq $values.sidecar.address "[::]" -}}
{{- $listen = append $listen (printf "[::1]:%d" $port) -}}
{{- end -}}
{{- $_ := set $config "outbound" (mergeOverwrite (default dict $config.outbound) (dict "listen" $listen)) -}}
{{- end -}}
{{- with $values.dependencies -}}
{{- $_ := set $config "dependencies" . -}}
{{- end -}}
{{- with fromYaml (include "sidecar.config.shutdown" .) -}}
{{- $_ := set $config "shutdown" . -}}
{{- end -}}
{{- if $values.sidecar.stateDir.enabled -}}
{{- $_ := set $config "state_dir" (include "sidecar.stateDir" .) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{- define "sidecar.keysDir" -}}/etc/sidecar/keys{{- end -}}
{{- define "sidecar.stateDir" -}}/var/lib/sidecar{{- end -}}

{{/* The file of an entry of keyring.inline. */}}
{{- define "sidecar.keyFile" -}}
{{- regexMatch "\\.(pub|pem|crt|jwk|json|since|revoked)$" . | ternary . (printf "%s.pub" .) -}}
{{- end -}}

{{/* A list, of a setting that may be one value, several or none. */}}
{{- define "sidecar.several" -}}
{{- if kindIs "slice" . -}}{{- toYaml . -}}
{{- else if kindIs "invalid" . -}}[]
{{- else -}}{{- toYaml (list .) -}}
{{- end -}}
{{- end -}}

{{/* Ports and ranges as the configuration has them. */}}
{{- define "sidecar.ports" -}}
{{- $ports := list -}}
{{- range . -}}
{{- if kindIs "string" . -}}{{- $ports = append $ports . -}}{{- else -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- end -}}
{{- toYaml $ports -}}
{{- end -}}

{{/* "true" where a port is one of these ports and ranges; of (list port ports). */}}
{{- define "sidecar.isPortOf" -}}
{{- $port := index . 0 | int -}}
{{- range index . 1 -}}
{{- $ends := splitList "-" (kindIs "string" . | ternary (toString .) (int . | toString)) -}}
{{- if and (le (first $ends | int) $port) (le $port (last $ends | int)) -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* The ports that interception protects. */}}
{{- define "sidecar.interceptedPorts" -}}
{{- include "sidecar.ports" (default (list .Values.app.port) .Values.interception.ports) -}}
{{- end -}}

{{/*
One intercepted port is the application's; of several, each connection brings its own along, but for those that a Service
leads straight to the sidecar.
*/}}
{{- define "sidecar.config.upstream" -}}
{{- $ports := fromYamlArray (include "sidecar.interceptedPorts" .) -}}
{{- $app := printf "http://127.0.0.1:%d" (int .Values.app.port) -}}
{{- $isPlain := eq (toJson $ports) (toJson (list (int .Values.app.port))) -}}
{{- if and .Values.interception.enabled (or (not $isPlain) .Values.interception.opaquePorts) -}}
{{- toYaml (dict "url" "original-dst" "ports" $ports "fallback" $app) -}}
{{- else -}}
{{- toYaml (dict "url" $app) -}}
{{- end -}}
{{- end -}}

{{- define "sidecar.config.auth" -}}
{{- $keyring := list -}}
{{- if include "sidecar.hasKeyFiles" . -}}
{{- $keyring = append $keyring (dict "path" (include "sidecar.keysDir" .)) -}}
{{- end -}}
{{- $keyring = concat $keyring (default list .Values.keyring.urls) (default list .Values.keyring.issuers) -}}
{{- $auth := dict -}}
{{- with $keyring -}}{{- $_ := set $auth "keyring" . -}}{{- end -}}
{{- with concat (fromYamlArray (include "sidecar.probeRules" .)) (fromYamlArray (include "sidecar.several" ((.Values.sidecar.config).auth).rules)) -}}
{{- $_ := set $auth "rules" . -}}
{{- end -}}
{{- toYaml $auth -}}
{{- end -}}

{{/*
How the end goes. Where tokens are handed out, the sidecar stays for one more scrape after its last answer, on top of
the grace that requests in flight have.
*/}}
{{- define "sidecar.config.shutdown" -}}
{{- $shutdown := default dict ((default dict .Values.sidecar.config) | deepCopy).shutdown -}}
{{- if ((.Values.sidecar.config).auth).issues -}}
{{- if not (hasKey $shutdown "last_word") -}}
{{- $_ := set $shutdown "last_word" (printf "%ds" (add 5 (include "sidecar.seconds" .Values.monitoring.scrapeInterval))) -}}
{{- end -}}
{{- if not (hasKey $shutdown "grace") -}}
{{- $_ := set $shutdown "grace" (printf "%ds" (add 25 (include "sidecar.seconds" $shutdown.last_word))) -}}
{{- end -}}
{{- end -}}
{{- toYaml $shutdown -}}
{{- end -}}

{{- define "sidecar.hasKeyFiles" -}}
{{- with .Values.keyring -}}
{{- if or .existingSecret .existingConfigMap .inline -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* auth.mode, which is enforce where nobody says it. */}}
{{- define "sidecar.mode" -}}
{{- default "enforce" ((.Values.sidecar.config).auth).mode -}}
{{- end -}}

{{/* One rule for all paths of probes that go through the sidecar. */}}
{{- define "sidecar.probeRules" -}}
{{- $paths := list -}}
{{- if and .Values.app.probes.public (ne (include "sidecar.mode" .) "off") -}}
{{- range $name := list "startup" "liveness" "readiness" -}}
{{- $http := (index $.Values.app.probes $name).httpGet -}}
{{- if and $http (include "sidecar.goesThrough" (list $ $http)) -}}
{{- $paths = append $paths (regexReplaceAll "[?#].*$" (default "/" $http.path) "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $paths | uniq -}}
{{- toYaml (list (dict "paths" . "methods" (list "GET") "access" "public")) -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{/* "true" where an httpGet of the kubelet's reaches the sidecar; of (list . httpGet). */}}
{{- define "sidecar.goesThrough" -}}
{{- $context := index . 0 -}}
{{- $port := (index . 1).port -}}
{{- if not $port -}}true
{{- else if $context.Values.interception.enabled -}}
{{- if eq (toString $port) "http" -}}true
{{- else if not (kindIs "string" $port) -}}
{{- if include "sidecar.isPortOf" (list $port (fromYamlArray (include "sidecar.interceptedPorts" $context))) -}}true{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
