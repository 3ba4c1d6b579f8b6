"""The sidecar as it comes, and with a large configuration."""

import json
import sys
from functools import partial
from typing import Any

from benchmarks.http import free_port
from benchmarks.proxies.kind import Kind, Setup, Start

#: How large the large configurations are.
RULES = 500
KEYS = 50

_ISSUE = {"paths": ["/api/login"], "methods": ["POST"], "json": "token"}


def configure(
    setup: Setup,
    *,
    rules: int = 0,
    has_many_keys: bool = False,
    issues: bool = False,
    is_patient: bool = False,
    module: str = "sidecar",
) -> Start:
    """Write its configuration: whatever is not told here is as it comes."""
    port, admin_port = free_port(), free_port()
    tokens = setup.tokens
    keyring = tokens.large_keyring if has_many_keys else tokens.keyring
    settings: dict[str, Any] = {
        "service": "items",
        "listen": f"127.0.0.1:{port}",
        "admin": f"127.0.0.1:{admin_port}",
        "upstream": {"url": f"http://127.0.0.1:{setup.upstream_port}"},
        "auth": {
            "keyring": [{"path": str(keyring)}],
            "rules": _rules(rules),
            "issues": [_ISSUE] if issues else [],
        },
        # How long it goes on serving when it is told to end is not measured.
        "shutdown": {"drain": "0s", "grace": "1s"},
    }
    if issues:
        settings["state_dir"] = str(setup.directory / "state")
    if is_patient:
        settings["timeouts"] = {"header": "60s", "body_idle": "60s"}
        settings["upstream"]["max_connections"] = 2000
    path = setup.directory / "sidecar.yaml"
    path.write_text(json.dumps(settings, indent=2))  # JSON is YAML
    command = (sys.executable, "-m", module, "run", "--config", path)
    return Start(command, port, ready_port=admin_port, ready_target="/ready")


def _rules(count: int) -> list[dict[str, Any]]:
    """Rules of which only the last matches what is asked here."""
    others = [
        {"paths": [f"/api/service-{number}/*/items"], "methods": ["GET", "POST"], "access": "token"}
        for number in range(count - 1)
    ]
    return [*others, {"paths": ["/*"], "access": "token"}] if count else []


KIND = Kind("sidecar", "sidecar", configure)
WITH_RULES = Kind("sidecar-rules", "sidecar", partial(configure, rules=RULES))
WITH_KEYS = Kind("sidecar-keys", "sidecar", partial(configure, has_many_keys=True))
#: Gives nobody up who is slow, for as long as that is measured, and lets all of them in.
PATIENT = Kind("sidecar-patient", "sidecar", partial(configure, is_patient=True))
WITH_ISSUES = Kind("sidecar-issues", "sidecar", partial(configure, issues=True))
WITHOUT_LEDGER = Kind(
    "sidecar-no-ledger", "sidecar", partial(configure, module="benchmarks.without_ledger")
)
