"""What a verdict rests on besides what was seen: sentences that are printed with it. Pure."""

from enum import StrEnum


class Assumption(StrEnum):
    """What must be so for a verdict to be right, and nobody can see."""

    CLOCKS = "No clock is off by more than the leeway."
    LIFETIME_STAYS = "Every replica that verifies, and every new one, enforces its max_lifetime."
    ENFORCEMENT_STAYS = "Every replica that enforces the switch goes on, and every new one does."
    ALL_WATCHED = "Every service that hands out tokens is watched, and its answers stay readable."
    ONLY_ISSUER = "No other replica hands out tokens."
    KEY_WAS_NEW = "No token of the key is older than the watching: nobody held it when that began."
    SWITCHES_ONCE = "A replica switches once and as a whole, with all of its workers."
    NOT_SET_BACK = "Nobody sets a signer back to the key, or starts an old one, after the verdict."
    STATEMENT_IS_TRUE = "No signer has used the key since the stated switch."
