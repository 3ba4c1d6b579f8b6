"""The last word of a sidecar beside a service that hands out tokens.

Once its last answer is out, nothing will be handed out any more: that is said in the metrics, and
the admin port stays for whoever reads them once more. So whoever watches the fleet knows all that
this replica ever handed out, instead of having to fear what it did since the scrape before.

Called by ``app.lifecycle``, between the last answer and the end of the admin port.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from sidecar.metrics.issued import IssuedTokens

log = logging.getLogger("sidecar.app")

_POLL_S = 0.05


async def say_last_word(
    issued: IssuedTokens, timeout_s: float, is_hurried: Callable[[], bool]
) -> None:
    """Say that it has ended, and wait until that was scraped, for ``timeout_s`` at most and until
    we are hurried."""
    issued.issuing.end(time.time())
    if timeout_s <= 0 or is_hurried():
        return
    log.info(
        "The last answer is out; waiting until /metrics is read once more.",
        extra={"data": {"at_most_s": round(timeout_s, 1)}},
    )
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if issued.has_told_end or is_hurried():
            return
        await asyncio.sleep(_POLL_S)
    log.warning(
        "Nobody has read /metrics since the last answer, so nobody knows that this replica "
        "hands out no more tokens. Scrape more often, or give the end more time "
        "(shutdown.grace, shutdown.last_word)."
    )
