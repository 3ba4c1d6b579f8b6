"""The page at ``/``: what the admin port offers, and the keys at a glance.

One document without scripts or anything from elsewhere, made on the server; its
Content-Security-Policy allows nothing but its own style. Everything that it shows is escaped.
"""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
h1 { font-size: 1.5rem; margin-bottom: 0 }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8886; padding: .4rem .6rem }
th, td { text-align: left; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
td.why { min-width: 20rem }
.waits { color: #b40 }
"""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)

_ENDPOINTS = (
    ("/live", "the process runs"),
    ("/ready", "it may be sent traffic, or what it waits for"),
    ("/metrics", "Prometheus or OpenMetrics text"),
    ("/version", "the service's version and this sidecar's"),
    ("/keys", "the keys, what was seen of each, and whether it may go"),
    ("/dependencies", "the services that this one needs, and whether they will do"),
    ("/config", "the effective configuration, secrets redacted"),
)

_COLUMNS = (
    ("id", "Key"),
    ("generation", "Generation"),
    ("algorithm", "Algorithm"),
    ("state", "State"),
    ("basis", "Basis"),
    ("accepted_total", "Accepted"),
    ("live_tokens", "Live"),
    ("last_used_at", "Last used"),
    ("latest_expiry_at", "Latest expiry"),
    ("retirable_at", "Retirable"),
    ("why", "Why"),
)


def build_page(
    version: Mapping[str, Any], waits_for: Mapping[str, str], keys_report: Mapping[str, Any]
) -> str:
    """The page as text, from what ``/version``, ``/ready`` and ``/keys`` answer."""
    service = escape(str(version.get("service", "unknown")))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>sidecar of {service}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>sidecar of {service}</h1>
<p>service {_of(version, "version")}, commit {_of(version, "commit")}, \
sidecar {_of(version, "sidecar")}</p>
{_readiness(waits_for)}
<h2>Keys</h2>
<p>Seen by this replica since {_of(keys_report, "observing_since")}.</p>
{_table(keys_report.get("keys", ()))}
<h2>Endpoints</h2>
<ul>
{_endpoints()}
</ul>
</body>
</html>
"""


def _of(values: Mapping[str, Any], name: str) -> str:
    return escape(str(values.get(name, "unknown")))


def _readiness(waits_for: Mapping[str, str]) -> str:
    if not waits_for:
        return "<p>Ready.</p>"
    reasons = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in waits_for.items())
    return f'<div class="waits">Not ready:<ul>{reasons}</ul></div>'


def _table(keys: Any) -> str:
    if not keys:
        return "<p>No keys.</p>"
    head = "".join(f'<th scope="col">{title}</th>' for _, title in _COLUMNS)
    rows = "\n".join(
        "<tr>" + "".join(_cell(name, key.get(name)) for name, _ in _COLUMNS) + "</tr>"
        for key in keys
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "<td>\N{EN DASH}</td>"
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    return f'<td class="{name}">{escape(str(value))}</td>'


def _endpoints() -> str:
    return "\n".join(
        f'<li><a href="{path}">{path}</a>: {escape(what)}</li>' for path, what in _ENDPOINTS
    )
