"""The names of settings outside of the file: flags of the command line, environment variables.

One table for both, so that they cannot drift apart: the word ``max_token_lifetime`` is the flag
``--max-token-lifetime`` and the variable ``SIDECAR_MAX_TOKEN_LIFETIME``. Nothing here judges a
value; ``config.load`` reads all of them alike. ``cli.flags`` builds the flags from the same table.
"""

import re
from collections.abc import Iterable, Mapping

from sidecar.config.quote import path_below, quote
from sidecar.config.written import Written, write

#: The word of a flag and of an environment variable, and the path of the setting it stands for.
OUTSIDE_NAMES: Mapping[str, str] = {
    "service": "service",
    "listen": "listen",
    "upstream": "upstream.url",
    "admin": "admin",
    "keyring": "auth.keyring",
    "auth": "auth.mode",
    "issuer": "auth.issuer",
    "audience": "auth.audience",
    "leeway": "auth.leeway",
    "max_token_lifetime": "auth.max_lifetime",
    "version_paths": "version.paths",
    "dependencies": "dependencies",
    "log_level": "log.level",
    "log_format": "log.format",
    "access_log": "log.access",
    "drain": "shutdown.drain",
    "grace": "shutdown.grace",
    "state_dir": "state_dir",
}
#: Words whose value is a list: a flag given several times, one variable with commas.
LIST_WORDS = frozenset({"listen", "keyring", "audience", "version_paths"})
#: Words for which an empty list says something: no path answers the version.
_WORDS_WITH_EMPTY_LIST = frozenset({"version_paths"})

_PREFIX = "SIDECAR_"
CONFIG_VARIABLE = "SIDECAR_CONFIG"

# Kubernetes sets these in every pod for each Service whose name begins with "sidecar". PORT alone
# could be a mistaken attempt to say a port, so there the value has to be Kubernetes' as well.
_SERVICE_LINK = re.compile(
    r"SIDECAR(?:_[A-Z0-9]+)*_"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?"
    r"|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_PORT = re.compile(r"SIDECAR(?:_[A-Z0-9]+)*_PORT")
_SERVICE_LINK_URL = re.compile(r"(?:tcp|udp|sctp)://\S+")


def flag_name(word: str) -> str:
    """``--max-token-lifetime`` for ``max_token_lifetime``."""
    return "--" + word.replace("_", "-")


def variable_name(word: str) -> str:
    """``SIDECAR_MAX_TOKEN_LIFETIME`` for ``max_token_lifetime``."""
    return _PREFIX + word.upper()


def read_flags(flags: Mapping[str, object], problems: list[str]) -> dict[str, Written]:
    """What flags say, by path. None and an empty tuple stand for a flag that was not given."""
    found = {}
    for word, value in flags.items():
        if value is None or value == ():
            continue
        if word not in OUTSIDE_NAMES:
            problems.append(f"{flag_name(word)}: unknown flag")
            continue
        found[OUTSIDE_NAMES[word]] = _written(word, value, f"flag {flag_name(word)}", problems)
    return found


def read_environment(environ: Mapping[str, str], problems: list[str]) -> dict[str, Written]:
    """What ``SIDECAR_`` variables say, by path; every one that means nothing is a problem."""
    words = {variable_name(word): word for word in OUTSIDE_NAMES}
    found = {}
    for variable, value in environ.items():
        if not variable.startswith(_PREFIX) or _is_service_link(variable, value):
            continue
        word = words.get(variable)
        if word is None and variable != CONFIG_VARIABLE:
            known = [name.removeprefix(_PREFIX) for name in (CONFIG_VARIABLE, *words)]
            problems.append(
                f"{_shown(variable)}: unknown name{suggestion(variable, known, _PREFIX)}"
            )
        elif not value and word not in _WORDS_WITH_EMPTY_LIST:
            problems.append(f"{variable}: is empty; unset it where it says nothing")
        elif word is not None:
            found[OUTSIDE_NAMES[word]] = _written(word, value, f"environment {variable}", problems)
    return found


def suggestion(name: str, known: Iterable[str], prefix: str = "") -> str:
    """``; did you mean listen?`` where a known name is close, else the known names.

    ``prefix`` begins every one of them, and would make each look like every other.
    """
    from difflib import get_close_matches  # only where something is wrong: start-up stays short

    known = list(known)
    close = get_close_matches(name.removeprefix(prefix), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {prefix}{close[0]}?"
    return f"; accepted are {', '.join(prefix + each for each in known)}"


def _shown(variable: str) -> str:
    return variable if re.fullmatch(r"[A-Za-z0-9_]{1,60}", variable) else quote(variable)


def _is_service_link(variable: str, value: str) -> bool:
    if _SERVICE_LINK.fullmatch(variable):
        return True
    has_url = _SERVICE_LINK_URL.fullmatch(value) is not None
    return has_url and _SERVICE_LINK_PORT.fullmatch(variable) is not None


def _written(word: str, value: object, origin: str, problems: list[str]) -> Written:
    if word in LIST_WORDS and isinstance(value, str):
        value = [part.strip() for part in value.split(",")] if value else []
    if word == "dependencies" and isinstance(value, str):
        value = _split_dependencies(value, origin, problems)
    return write(value, origin)


def _split_dependencies(text: str, origin: str, problems: list[str]) -> dict[str, dict[str, str]]:
    """``NAME=URL REQUIREMENT; NAME=URL`` as the file would say it; a requirement may be absent."""
    entries: dict[str, dict[str, str]] = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        name, _, rest = (piece.strip() for piece in part.partition("="))
        url, _, requirement = (piece.strip() for piece in rest.partition(" "))
        path = path_below("dependencies", name)
        if name in entries:
            problems.append(f"{path}: is written twice ({origin})")
        # A requirement that became a part of the URL would be none, and met by whoever answers.
        if sign := next((sign for sign in (">", "<", "!=") if sign in url), ""):
            problems.append(f"{path}: wants a space between the URL and {sign} ({origin})")
        entries[name] = {"url": url, "requires": requirement} if requirement else {"url": url}
    return entries
