"""Asks from inside the cluster: arguments are ``METHOD URL [TOKEN]``. Prints the answers as JSON.

With ``WATCH_S`` in the environment it goes on asking for so long, and prints how often it got
each status.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections import Counter

PATIENCE_S = 20


def ask(method: str, url: str, token: str = "") -> dict[str, object]:
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(url, method=method, headers=fields)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return {"status": answer.status, "text": answer.read().decode()}
    except urllib.error.HTTPError as error:
        return {"status": error.code, "text": error.read().decode()}
    except OSError as error:
        return {"status": 0, "text": str(error)}


def watch(questions: list[list[str]], seconds: float) -> dict[str, int]:
    end = time.monotonic() + seconds
    seen: Counter[str] = Counter()
    while time.monotonic() < end:
        for question in questions:
            seen[str(ask(*question)["status"])] += 1
        time.sleep(0.02)
    return seen


questions = [argument.split() for argument in sys.argv[1:]]
watch_s = float(os.environ.get("WATCH_S", "0"))
print(json.dumps(watch(questions, watch_s) if watch_s else [ask(*each) for each in questions]))
