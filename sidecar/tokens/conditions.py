"""What a rule demands of claims: equal to a value, one of a list, or containing a value.

Values are compared as JSON has them: ``true`` is not ``1``, ``"1"`` is not ``1``. A claim that is
absent fulfils no condition.

Called by ``rules``, once for each rule; the conditions are then asked for each request.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sidecar.errors import ConfigError

_Holds = Callable[[Mapping[str, Any]], bool]
_SCALARS = (str, int, float, bool, type(None))


class Condition(NamedTuple):
    """What a rule demands of one claim, as it was written; ``holds``: whether these claims fulfil
    it."""

    claim: str
    wanted: object
    holds: _Holds


def parse_condition(claim: str, wanted: object) -> Condition:
    """``wanted``: a scalar, a list of which one must fit, or ``{contains: scalar}``.

    Raises :class:`ConfigError` for anything else.
    """
    if isinstance(wanted, Mapping):
        if set(wanted) != {"contains"} or not isinstance(wanted["contains"], _SCALARS):
            raise ConfigError(f"{claim}: is neither a value, a list, nor {{contains: value}}")
        return Condition(claim, wanted, _contains(claim, wanted["contains"]))
    values = list(wanted) if isinstance(wanted, list | tuple) else [wanted]
    if not values or not all(isinstance(value, _SCALARS) for value in values):
        raise ConfigError(f"{claim}: accepted are text, numbers, true, false, or a list of those")
    return Condition(claim, wanted, _is_one_of(claim, values))


def _is_one_of(claim: str, values: list[Any]) -> _Holds:
    def holds(claims: Mapping[str, Any]) -> bool:
        return claim in claims and any(_is_same(claims[claim], value) for value in values)

    return holds


def _contains(claim: str, value: object) -> _Holds:
    def holds(claims: Mapping[str, Any]) -> bool:
        held = claims.get(claim)
        if isinstance(held, str):  # a scope is a list written with blanks (RFC 8693, section 4.2)
            return value in held.split(" ") if isinstance(value, str) and value else False
        return isinstance(held, list) and any(_is_same(member, value) for member in held)

    return holds


def _is_same(held: object, wanted: object) -> bool:
    return isinstance(held, bool) is isinstance(wanted, bool) and held == wanted
