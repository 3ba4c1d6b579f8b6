"""Bytes that tunnels carry, counted while they are under way. Pure."""

from typing import Protocol


class Meter(Protocol):
    """A tunnel, as it is read here: the bytes that it has carried so far."""

    bytes_to_application: int
    bytes_to_client: int


class Meters:
    """Several tunnels: those that are open, and the sums of those that have ended."""

    def __init__(self) -> None:
        self._open: set[Meter] = set()
        self._to_application = self._to_client = 0

    def begin(self, meter: Meter) -> None:
        """From now on it carries bytes."""
        self._open.add(meter)

    def end(self, meter: Meter) -> None:
        """Both directions have ended."""
        self._open.discard(meter)
        self._to_application += meter.bytes_to_application
        self._to_client += meter.bytes_to_client

    @property
    def to_application_bytes(self) -> int:
        """What passed towards the application, until now."""
        return self._to_application + sum(meter.bytes_to_application for meter in self._open)

    @property
    def to_client_bytes(self) -> int:
        """What passed towards the client, until now."""
        return self._to_client + sum(meter.bytes_to_client for meter in self._open)
