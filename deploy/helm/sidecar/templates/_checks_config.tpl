{{/*
What the sidecar would refuse of its configuration, said before it is deployed. It knows more than this (the order of
versions, the calendar): `preflight.config` asks it.
*/}}

{{- define "sidecar.checks.config" -}}
{{- $config := fromYaml (include "sidecar.config" .) -}}
{{- $auth := $config.auth -}}
{{- include "sidecar.checks.rules" $auth }}
{{- include "sidecar.checks.places" $auth }}
{{- include "sidecar.checks.forward" $auth }}
{{- include "sidecar.checks.issues" $config }}
{{- include "sidecar.checks.dependencies" $config }}
{{- include "sidecar.checks.durations" $config }}
{{- if $auth.allow_unbounded }}
{{- if include "sidecar.seconds" (default 0 $auth.max_lifetime) | int }}
sidecar.config.auth.allow_unbounded contradicts auth.max_lifetime, which bounds every token: leave one out.
{{- end }}
{{- if has "exp" (fromYamlArray (include "sidecar.several" $auth.require)) }}
sidecar.config.auth.allow_unbounded contradicts exp in auth.require: leave one out.
{{- end }}
{{- end }}
{{- range fromYamlArray (include "sidecar.several" ($config.proxy_protocol).from) }}
{{- if hasSuffix "/0" . }}
sidecar.config.proxy_protocol.from: {{ . }} is everybody, so every caller could say that it is another: list the load balancers' networks.
{{- end }}
{{- end }}
{{- $version := default dict $config.version }}
{{- if and (eq "app" (default "stamp" $version.from)) (not $version.verify) }}
sidecar.config.version.verify is not set: where version.from is app, name the path at which the application is asked.
{{- end }}
{{- range append (fromYamlArray (include "sidecar.several" $version.paths)) (default "/" $version.verify) }}
{{- if include "sidecar.hasDotSegment" . }}
sidecar.config.version: {{ . }} has a dot segment; write the path without.
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidecar.hasDotSegment" -}}
{{- if regexMatch "/(\\.|%2[Ee]){1,2}(/|$)" . -}}true{{- end -}}
{{- end -}}

{{/* Fields of one connection, which end at the sidecar (RFC 9110, section 7.6.1). */}}
{{- define "sidecar.isHopByHop" -}}
{{- if has (lower .) (list "connection" "keep-alive" "proxy-authenticate" "proxy-authorization" "proxy-connection" "te" "trailer" "transfer-encoding" "upgrade") -}}true{{- end -}}
{{- end -}}

{{/* One spelling of all that many applications read as one field; "true" where that one has a meaning of its own. */}}
{{- define "sidecar.fold" -}}
{{- regexReplaceAll "[^a-z0-9]" (lower .) "-" -}}
{{- end -}}

{{- define "sidecar.hasOwnMeaning" -}}
{{- $own := list "authorization" "content-encoding" "content-length" "content-type" "cookie" "expect" "forwarded" "host" "traceparent" "tracestate" "via" "x-auth-status" "x-forwarded-for" "x-forwarded-host" "x-forwarded-proto" "x-request-id" -}}
{{- if or (has . $own) (include "sidecar.isHopByHop" .) -}}true{{- end -}}
{{- end -}}

{{- define "sidecar.checks.rules" -}}
{{- $rules := .rules -}}
{{- $catchAll := dict -}}
{{- range $index, $rule := $rules -}}
{{- $path := printf "sidecar.config.auth.rules: the rule for %s" (join ", " (fromYamlArray (include "sidecar.several" $rule.paths))) -}}
{{- $paths := fromYamlArray (include "sidecar.several" $rule.paths) -}}
{{- range $paths }}
{{- if include "sidecar.hasDotSegment" . }}
{{ $path }} has a dot segment; write the path without.
{{- end }}
{{- end }}
{{- if $catchAll.seen }}
{{ $path }} is never reached, since one before it matches every request: move it up.
{{- else if and (has "/*" $paths) (not (fromYamlArray (include "sidecar.several" $rule.methods))) }}
{{- $_ := set $catchAll "seen" true }}
{{- end }}
{{- if and $rule.claims (has $rule.access (list "public" "deny")) }}
{{ $path }} has claims, which are not looked at where access is {{ $rule.access }}: leave them out, or set access to token.
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a token is looked for. */}}
{{- define "sidecar.checks.places" -}}
{{- $seen := list -}}
{{- range fromYamlArray (include "sidecar.several" .from) -}}
{{- $header := lower (default "" .header) -}}
{{- $name := printf "%s %s" (ternary "header" (ternary "query" "cookie" (not (empty .query))) (not (empty .header))) (default (default .cookie .query) $header) -}}
{{- if include "sidecar.isHopByHop" $header }}
sidecar.config.auth.from: the header {{ .header }} belongs to one connection only: name another.
{{- end }}
{{- if eq $header "cookie" }}
sidecar.config.auth.from: the header Cookie holds many values: write cookie: NAME instead.
{{- end }}
{{- if has $name $seen }}
sidecar.config.auth.from lists the {{ $name }} twice: leave one.
{{- end }}
{{- $seen = append $seen $name }}
{{- end }}
{{- end -}}

{{/* What the application sees of a token. */}}
{{- define "sidecar.checks.forward" -}}
{{- $forward := default dict .forward -}}
{{- $resign := default dict $forward.resign -}}
{{- $fields := dict -}}
{{- $tokens := list -}}
{{- range fromYamlArray (include "sidecar.several" (default (dict "header" "Authorization") .from)) -}}
{{- with .header -}}{{- $tokens = append $tokens (include "sidecar.fold" .) -}}{{- end -}}
{{- end -}}
{{- range $claim, $field := $forward.claims }}
{{- $spelling := include "sidecar.fold" $field }}
{{- if include "sidecar.hasOwnMeaning" $spelling }}
sidecar.config.auth.forward.claims.{{ $claim }}: {{ $field }} has a meaning of its own: name a field such as X-Auth-User.
{{- else if has $spelling $tokens }}
sidecar.config.auth.forward.claims.{{ $claim }}: {{ $field }} is where a token is looked for: name another field.
{{- else if hasKey $fields $spelling }}
sidecar.config.auth.forward.claims.{{ $claim }}: {{ $field }} already carries the claim {{ get $fields $spelling }}: name another field.
{{- end }}
{{- $_ := set $fields $spelling $claim }}
{{- end }}
{{- if ne "resign" (default "keep" $forward.token) }}
{{- if $resign.public_key }}
sidecar.config.auth.forward.resign says nothing while auth.forward.token is {{ default "keep" $forward.token }}: set that to resign, or leave it out.
{{- end }}
{{- else }}
{{- if eq "off" (default "enforce" .mode) }}
sidecar.config.auth.forward.token: resign needs verified tokens, and auth.mode is off: set another.
{{- end }}
{{- if not $resign.public_key }}
sidecar.config.auth.forward.resign.public_key is not set: name the file that the application reads.
{{- else if eq (dir (clean $resign.public_key)) (include "sidecar.keysDir" .) }}
sidecar.config.auth.forward.resign.public_key lies among the verification keys: our own tokens would open our own door; name another place.
{{- end }}
{{- $header := include "sidecar.fold" (default "Authorization" $resign.header) }}
{{- if and (ne $header "authorization") (or (include "sidecar.hasOwnMeaning" $header) (hasKey $fields $header)) }}
sidecar.config.auth.forward.resign.header: {{ $resign.header }} has a meaning of its own: name another field.
{{- end }}
{{- end }}
{{- end -}}

{{/* Where tokens are handed out. */}}
{{- define "sidecar.checks.issues" -}}
{{- $auth := .auth -}}
{{- $version := default dict .version -}}
{{- $answered := hasKey $version "paths" | ternary (fromYamlArray (include "sidecar.several" $version.paths)) (list "/version") -}}
{{- $issues := fromYamlArray (include "sidecar.several" $auth.issues) -}}
{{- if and $issues (eq "off" (default "enforce" $auth.mode)) (not $auth.keyring) }}
sidecar.config.auth.issues needs the keys, to tell whose tokens are handed out: name a source in keyring.
{{- end }}
{{- $seen := list }}
{{- range $issue := $issues }}
{{- $header := lower (default "" $issue.header) }}
{{- $methods := fromYamlArray (include "sidecar.several" $issue.methods) }}
{{- if include "sidecar.isHopByHop" $header }}
sidecar.config.auth.issues: the header {{ $issue.header }} belongs to one connection only: name another.
{{- end }}
{{- if has $header (list "cookie" "set-cookie") }}
sidecar.config.auth.issues: the header {{ $issue.header }} holds many values: write cookie: NAME instead.
{{- end }}
{{- if has (toJson $issue) $seen }}
sidecar.config.auth.issues lists one place twice: leave one.
{{- end }}
{{- $seen = append $seen (toJson $issue) }}
{{- range fromYamlArray (include "sidecar.several" $issue.paths) }}
{{- if and (has . $answered) (or (not $methods) (has "GET" $methods)) }}
sidecar.config.auth.issues: {{ . }} is answered by the sidecar itself (version.paths): leave it out of one.
{{- end }}
{{- if include "sidecar.hasDotSegment" . }}
sidecar.config.auth.issues: {{ . }} has a dot segment; write the path without.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sidecar.checks.dependencies" -}}
{{- range $name, $dependency := .dependencies }}
{{- if kindIs "map" $dependency }}
{{- if and $dependency.requires (or $dependency.min $dependency.below $dependency.not) }}
dependencies.{{ $name }}.requires says the same as min, below and not: write one or the other.
{{- end }}
{{- if and $dependency.ca (hasPrefix "http://" (lower $dependency.url)) }}
dependencies.{{ $name }}.ca means nothing for http: leave it out.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Those that have bounds. */}}
{{- define "sidecar.checks.durations" -}}
{{- $outbound := default dict .outbound -}}
{{- $resign := default dict (default dict .auth.forward).resign -}}
{{- $durations := list
    (list "sidecar.config.outbound.detect_timeout" $outbound.detect_timeout "0" "5s")
    (list "sidecar.config.outbound.connect_timeout" $outbound.connect_timeout "100ms" "")
    (list "sidecar.config.auth.forward.resign.lifetime" $resign.lifetime "10s" "1h")
-}}
{{- range .auth.keyring -}}
{{- $durations = append $durations (list (printf "keyring: refresh of %s" (coalesce .url .issuer .path)) .refresh "1s" "1d") -}}
{{- end -}}
{{- range $name, $dependency := .dependencies -}}
{{- if kindIs "map" $dependency -}}
{{- $durations = append $durations (list (printf "dependencies.%s.interval" $name) $dependency.interval "100ms" "") -}}
{{- $durations = append $durations (list (printf "dependencies.%s.timeout" $name) $dependency.timeout "100ms" "1m") -}}
{{- end -}}
{{- end -}}
{{- range $durations }}
{{- $value := index . 1 }}
{{- if not (kindIs "invalid" $value) }}
{{- $length := include "sidecar.milliseconds" $value | int64 }}
{{- $least := include "sidecar.milliseconds" (index . 2) | int64 }}
{{- $most := include "sidecar.milliseconds" (index . 3) | int64 }}
{{- if lt $length $least }}
{{ first . }} is {{ $value }}, less than {{ index . 2 }}.
{{- else if and $most (gt $length $most) }}
{{ first . }} is {{ $value }}, more than {{ index . 3 }}.
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
