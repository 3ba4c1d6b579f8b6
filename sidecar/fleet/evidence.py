"""What a source knows of a fleet's keys, ready to be judged: values. Called by ``report``."""

from dataclasses import dataclass

from sidecar.rotation.replica import Fleet


@dataclass(frozen=True, slots=True)
class Evidence:
    """``fleet``: who was seen, present and past. ``source``: for messages.

    ``clocks_s``: how far the clock of a replica is ahead of the one who asks, by place. Where it is
    unknown, the place is missing. ``limits``: sentences about what this evidence cannot prove.
    ``interval_s``: between two scrapes of one replica.
    """

    fleet: Fleet
    source: str
    key_ids: tuple[str, ...]
    clocks_s: dict[str, float]
    interval_s: float
    limits: tuple[str, ...] = ()
