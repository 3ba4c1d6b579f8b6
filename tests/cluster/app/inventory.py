"""Looks at the image that it runs in, and prints what it finds as JSON."""

import json
import os
import sys
from importlib.metadata import distribution, distributions
from pathlib import Path

PRODUCT = "sidecar-mesh"


def name_of(text: str) -> str:
    """A distribution's name, of a requirement or in its metadata, in one spelling."""
    letters = text.partition(";")[0].lower().replace("_", "-")
    for end in " <>=!~[(":
        letters = letters.partition(end)[0]
    return letters


def needed(product: str) -> set[str]:
    """The product and all that it needs here, and they again."""
    found: set[str] = set()
    ahead = {product}
    while ahead:
        name = ahead.pop()
        found.add(name)
        for line in distribution(name).requires or []:
            if "extra ==" not in line and name_of(line) in INSTALLED:
                ahead |= {name_of(line)} - found
    return found


INSTALLED = {name_of(each.metadata["Name"]) for each in distributions()}
HOME = Path(sys.prefix)
print(
    json.dumps(
        {
            "user": os.getuid(),
            "needless": sorted(INSTALLED - needed(PRODUCT)),
            "programs": sorted(path.name for path in (HOME / "bin").iterdir()),
            "places": sorted(path.name for path in HOME.parent.iterdir()),
            "bytes": sum(path.lstat().st_size for path in HOME.rglob("*")),
        }
    )
)
