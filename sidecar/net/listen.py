"""Listening sockets from address texts.

Opens them before anything else starts, so that a port in use is one clear line and not a failure
half-way. Used by ``app.lifecycle`` for the inbound and the admin port.
"""

import errno
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from sidecar.errors import AddressInUse, ConfigError
from sidecar.setting import parse_address

BACKLOG: Final = 4096


def open_listener(address: str) -> socket.socket:
    """A listening socket for ``HOST:PORT``, ``[HOST]:PORT`` or ``unix:/PATH``.

    ``[::]`` listens on IPv6 and IPv4. Raises :class:`ConfigError` with one line that says what to
    do.
    """
    try:
        wanted = parse_address(address)
    except ValueError as error:
        raise ConfigError(f"{address}: {error}") from None
    if wanted.is_unix:
        return _open_unix(wanted.path)
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            wanted.host, wanted.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise ConfigError(f"{address}: {wanted.host!r} is no address of this machine") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, wanted.host != "::")
        listener.bind(name)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _error(address, error) from None
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """The address that a socket really listens on, port 0 resolved, in the form it is written."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{host}:{name[1]}"


def _open_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_dead_socket(path)
        listener.bind(path)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _error(f"unix:{path}", error) from None
    listener.setblocking(False)
    return listener


def _remove_dead_socket(path: str) -> None:
    """Remove the socket file of a process that is gone; a living one keeps its address."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(Path(path).stat().st_mode):
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                Path(path).unlink()


def _error(address: str, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        what = "the address is in use; stop what listens there or choose another port"
        return AddressInUse(f"{address}: {what}")
    return ConfigError(f"{address}: {_explain(error)}")


def _explain(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "not permitted; choose a port above 1023 or a directory that is writable"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine does not have that address"
    return f"cannot listen: {os.strerror(error.errno or 0)}"
