"""By which names a page that is for this machine alone is called: an address, or ``localhost``.

Any page in a browser may let its own name lead to an address of loopback (DNS rebinding), and would
then read what is served there as if it were its own. An address cannot be made to lead elsewhere,
and ``localhost`` leads nowhere else (RFC 6761, section 6.3); every other name is answered 421.
Joined by ``admin.routes`` where a page listens on loopback.
"""

import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

from aiohttp import web

# Host = uri-host [ ":" port ] (RFC 9110, section 7.2), of the forms that a browser sends.
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::[0-9]+)?", re.IGNORECASE)


@web.middleware
async def refuse_other_names(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """A client that states no name is no browser, and is answered."""
    host = request.headers.get("Host", "")
    if host and not is_local_name(host):
        raise web.HTTPMisdirectedRequest(
            reason="Only an address or localhost is a name of this page."
        )
    return await handler(request)


def is_local_name(host: str) -> bool:
    """Whether this value of ``Host`` is an address or ``localhost``, with a port or without."""
    form = _HOST.fullmatch(host)
    if form is None:
        return False
    name = (form[1] or form[2]).lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
