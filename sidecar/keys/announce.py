"""Says in the log what changed in the keyring and what is wrong with its sources.

Each trouble is said once when it comes, and once when it is gone; private keys that lie where they
must not are errors, and so is the loss of every key. Names of files and ids of keys only, never
content.

Called by ``store``.
"""

import logging
from collections.abc import Iterable

from sidecar.keys.source import Trouble
from sidecar.rotation.moment import format_moment
from sidecar.tokens.keyring import Keyring

log = logging.getLogger("sidecar.keys")


def log_troubles(before: Iterable[Trouble], now: Iterable[Trouble]) -> None:
    """Log what is new in ``now``, and what is no longer so."""
    known, current = dict.fromkeys(before), dict.fromkeys(now)
    for trouble in current:
        if trouble not in known:
            level = logging.ERROR if trouble.is_grave else logging.WARNING
            log.log(level, "%s.", trouble, extra={"data": {"where": trouble.where}})
    for trouble in known:
        if trouble not in current:
            log.info("No longer so: %s.", trouble, extra={"data": {"where": trouble.where}})


def log_change(before: Keyring, now: Keyring) -> None:
    """Log the ids of the keys that came, went or changed."""
    added = [key_id for key_id in now.by_id if key_id not in before.by_id]
    removed = [key_id for key_id in before.by_id if key_id not in now.by_id]
    replaced = [
        key_id
        for key_id, key in now.by_id.items()
        if key_id in before.by_id and before.by_id[key_id].thumbprint != key.thumbprint
    ]
    revoked = [key_id for key_id in now.revoked if key_id not in before.revoked]
    restored = [key_id for key_id in before.revoked if key_id not in now.revoked]
    changes = {
        "added": added,
        "removed": removed,
        "replaced": replaced,
        "revoked": revoked,
        "no longer revoked": restored,
    }
    words = [f"{word} {', '.join(ids)}" for word, ids in changes.items() if ids]
    if now.revoked_tokens != before.revoked_tokens:
        words.append(f"{len(now.revoked_tokens)} tokens are revoked by jti")
    if now.signing_since != before.signing_since:
        stated = ", ".join(
            f"{key_id} from {format_moment(at)} on" for key_id, at in now.signing_since.items()
        )
        words.append(f"all signers are said to use {stated}" if stated else "no switch is stated")
    data = {
        **{word.replace(" ", "_"): ids for word, ids in changes.items()},
        "revoked_tokens": len(now.revoked_tokens),
        "keys": list(now.order),
        "newest": now.newest,
        "signing_since": dict(now.signing_since),
        "digest": now.digest,
    }
    sentence = "; ".join(words) or "the order of its keys is another"
    level = logging.WARNING if revoked else logging.INFO
    if removed and not now.by_id:
        level = logging.ERROR
        sentence += "; no key is left, and whatever needs a token is refused"
    log.log(level, "The keyring changed: %s.", sentence, extra={"data": data})
