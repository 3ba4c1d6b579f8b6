"""Who needs whom, drawn: as text, for Graphviz, and for Mermaid.

Whether a need is met is said in words and by the kind of line, never by a colour alone. Names come
from outside, so each language's own quoting keeps them from being anything but text. Pure; called
by ``cli.fleet``.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sidecar.fleet.needs import JudgedNeed, answers_of
from sidecar.fleet.services import Service
from sidecar.fleet.status import Status

#: What is said of a need, by whether it is met.
WORDS: Final = {True: "satisfied", False: "not satisfied", None: "not known"}
SIGNS: Final = {True: "✓", False: "✗", None: "?"}
_DOT_STYLES: Final = {
    True: 'style=solid, color="#00664d"',
    False: 'style="dashed,bold", color="#a3123f"',
    None: 'style=dotted, color="#5b4a00"',
}
_MERMAID_LINES: Final = {True: "-->", False: "--x", None: "-.->"}


def draw_text(status: Status) -> str:
    """Each service, and below it what it needs."""
    lines = []
    for name, service in status.fleet.services.items():
        lines.append(f"{name} {describe(status, service)}")
        for each in status.needs:
            if each.user == name:
                sign, words = SIGNS[each.judgement.holds], WORDS[each.judgement.holds]
                why = "" if each.judgement.holds else f": {each.judgement.why}"
                lines.append(f"  {_from(service, each)}-> {_need(each)}  {sign} {words}{why}")
    return "\n".join(lines)


def draw_dot(status: Status) -> str:
    """The language of Graphviz (graphviz.org/doc/info/lang.html): double-quoted strings, in which
    a quotation mark and a backslash are escaped."""
    ids = _ids(status)
    lines = [
        f"  {ids[name]} [label={_dot(_titled(name, describe(status, service)))}"
        f"{', style=dashed' if service.is_outside else ''}];"
        for name, service in status.fleet.services.items()
    ]
    lines += [
        f"  {ids[each.user]} -> {ids[each.need.service]} "
        f"[label={_dot(_label(status, each))}, {_DOT_STYLES[each.judgement.holds]}];"
        for each in status.needs
    ]
    return "\n".join(["digraph fleet {", "  rankdir=LR;", "  node [shape=box];", *lines, "}"])


def draw_mermaid(status: Status) -> str:
    """The language of Mermaid (mermaid.js.org/syntax/flowchart.html): quoted texts, in which
    characters stand for themselves by number."""
    ids = _ids(status)
    lines = [
        f"  {ids[name]}[{_mermaid(f'{name} {describe(status, service)}')}]"
        for name, service in status.fleet.services.items()
    ]
    lines += [
        f"  {ids[each.user]} {_MERMAID_LINES[each.judgement.holds]}"
        f"|{_mermaid(_label(status, each))}| {ids[each.need.service]}"
        for each in status.needs
    ]
    return "\n".join(["flowchart LR", *lines])


FORMATS: Final[Mapping[str, Callable[[Status], str]]] = {
    "text": draw_text,
    "dot": draw_dot,
    "mermaid": draw_mermaid,
}


def _ids(status: Status) -> dict[str, str]:
    return {name: f"s{index}" for index, name in enumerate(status.fleet.services)}


def describe(status: Status, service: Service) -> str:
    """What runs of a service, in a few words."""
    if service.is_outside:
        versions = ", ".join(answers_of(status.fleet, service.name)) or "version not known"
        return f"{versions} (not in this fleet)"
    shares = [f"{each.version} ({len(each.replicas)})" for each in service.running]
    if service.silent:
        shares.append(f"not known ({len(service.silent)})")
    return ", ".join(shares)


def _titled(name: str, text: str) -> str:
    return f"{name}\n{text}"


def _from(service: Service, judged: JudgedNeed) -> str:
    return f"{judged.version} " if service.is_mixed else ""


def _need(judged: JudgedNeed) -> str:
    return f"{judged.need.name} {judged.need.requires}"


def _label(status: Status, judged: JudgedNeed) -> str:
    service = status.fleet.services[judged.user]
    words = WORDS[judged.judgement.holds]
    return f"{_from(service, judged)}{judged.need.requires}: {words}"


def _dot(text: str) -> str:
    escaped = _plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid(text: str) -> str:
    """Letters, digits and harmless signs as they are, everything else by its number."""
    return (
        '"'
        + "".join(
            each if each.isalnum() or each in " .,-_()/:=+@" else f"#{ord(each)};"
            for each in _plain(text)
        )
        + '"'
    )


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)
