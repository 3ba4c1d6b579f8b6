"""One question for both kinds of sources: what is the evidence about the fleet's keys?"""

from sidecar.fleet.direct import Direct
from sidecar.fleet.evidence import Evidence
from sidecar.fleet.past import load_evidence
from sidecar.fleet.prometheus import Prometheus


async def ask(
    source: Prometheus | Direct, *, window_s: float, stated_watch: float | None = None
) -> Evidence:
    """A Prometheus tells of the window that ends now, the sidecars themselves of this moment, and
    of the questions before.

    ``stated_watch``: unix seconds from which on, so the caller, every service that hands out tokens
    was watched. Raises :class:`sidecar.errors.FleetError`.
    """
    if isinstance(source, Direct):
        return await source.evidence(stated_watch=stated_watch)
    return await load_evidence(source, window_s, stated_watch=stated_watch)
