"""What `helm test` runs in the cluster: a caller's view of the service, Prometheus' of each pod.

Says each thing that it has checked, and ends with 1 where one does not hold. Standard library only.
"""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request

CALLERS_URL = os.environ["CALLERS_URL"]
VERSION_PATH = os.environ["VERSION_PATH"]
PROTECTED_PATH = os.environ["PROTECTED_PATH"]
SERVICE = os.environ["SERVICE"]
ADMIN_HOST, ADMIN_PORT = os.environ["ADMIN_HOST"], int(os.environ["ADMIN_PORT"])
PATIENCE_S = float(os.environ.get("PATIENCE_S", "30"))


def ask(url):
    """Status and text of a GET without a token."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def check_version():
    status, text = ask(CALLERS_URL + VERSION_PATH)
    assert status == 200, f"{CALLERS_URL}{VERSION_PATH} answered {status}, not 200"
    answer = json.loads(text)
    assert answer["service"] == SERVICE, f"it says to be {answer['service']}, not {SERVICE}"
    return f"{SERVICE} says on {VERSION_PATH} that it is {answer['version']}"


def check_refusal():
    status, _ = ask(CALLERS_URL + PROTECTED_PATH)
    assert status == 401, f"{PROTECTED_PATH} without a token was answered {status}, not 401"
    return f"{PROTECTED_PATH} without a token is refused"


def check_metrics():
    found = socket.getaddrinfo(ADMIN_HOST, ADMIN_PORT, type=socket.SOCK_STREAM)
    hosts = sorted({address[0] for *_, address in found})
    for host in hosts:
        url = f"http://{f'[{host}]' if ':' in host else host}:{ADMIN_PORT}/metrics"
        status, text = ask(url)
        assert status == 200, f"{url} answered {status}, not 200"
        assert f'service="{SERVICE}"' in text, f"{url} does not name the service {SERVICE}"
    return f"the metrics of every pod can be read ({len(hosts)})"


def holds(check):
    """Whether it does, within patience: a Service learns of its pods after they are ready."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            print("ok:", check(), flush=True)
            return True
        except (AssertionError, OSError, ValueError, KeyError) as error:
            if time.monotonic() > deadline:
                print("failed:", error, flush=True)
                return False
        time.sleep(0.5)


checks = [
    *([check_version] if VERSION_PATH else []),
    *([check_refusal] if PROTECTED_PATH else []),
    check_metrics,
]
results = [holds(check) for check in checks]
sys.exit(0 if all(results) else 1)
