"""The published grammars of versions, and how the identifiers within one compare.

An identifier becomes a tuple that compares as its specification says. Called by
``versions.version``, which knows what each part of a version means.
"""

import re
from typing import Final

#: A part of a version: kind, number, text. Kinds compare first.
Identifier = tuple[int, int, str]

# <version core> "-" <pre-release> "+" <build> (semver.org 2.0.0, Backus-Naur form).
_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_BUILD_IDENTIFIER = r"[0-9A-Za-z-]+"
SEMVER: Final = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-{_PRE_IDENTIFIER}(?:\.{_PRE_IDENTIFIER})*)?"
    rf"(?:\+{_BUILD_IDENTIFIER}(?:\.{_BUILD_IDENTIFIER})*)?"
)

# What may follow the release in PEP 440, appendix B, in any case.
PEP_440: Final = re.compile(
    r"""
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_number>[0-9]+)?)?
    (?P<post>-(?P<implicit_post>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_number>[0-9]+)?)?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_number>[0-9]+)?)?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: Names of one and the same thing (PEP 440, "Pre-release spelling").
_SPELLINGS: Final = {"a": "alpha", "b": "beta", "c": "rc", "pre": "rc", "preview": "rc"}

_RUNS: Final = re.compile(r"[0-9]+|[a-z]+")


def semver_parts(text: str) -> tuple[Identifier, ...]:
    """Numbers by size and before words, words letter by letter (semver.org, section 11.4)."""
    return tuple((0, int(each), "") if each.isdigit() else (1, 0, each) for each in text.split("."))


def natural_parts(text: str) -> tuple[Identifier, ...]:
    """Runs of digits by size and before runs of letters: rc2 comes before rc10."""
    return tuple(
        (0, int(run), "") if run.isdigit() else (1, 0, _SPELLINGS.get(run, run))
        for run in _RUNS.findall(text.lower())
    )


def local_parts(text: str) -> tuple[Identifier, ...]:
    """Words letter by letter and before numbers (PEP 440, "Local version identifiers")."""
    return tuple(
        (1, int(each), "") if each.isdigit() else (0, 0, each)
        for each in re.split("[-_.]", text.lower())
        if each
    )
