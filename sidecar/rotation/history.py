"""What was scraped of a fleet in the course of time, replica by replica. Pure.

Every scrape, every failed one, and every replica that discovery no longer knows is entered in the
order of time; from them follow the runs, their ends, and who is waited for. Entered scrape by
scrape by who watches, and all at once from the store of a Prometheus.

Times are unix seconds of the clock of the one who scrapes, but for those that a sidecar told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from sidecar.rotation.replica import Fleet, Interval, Replica, Target, combined_ring

#: After its last word a pod answers no more, and discovery may list it for some scrapes still.
#: Whoever is silent for longer may be somebody new under its name.
_AFTERMATH_SCRAPES = 3.0
#: A pod is listed as soon as it has an address, and its containers may have to wait.
_SLOW_START_S = 600.0


class History:
    """Every run of every replica. ``interval_s``: between two scrapes of one replica."""

    def __init__(self, interval_s: float) -> None:
        self.interval_s = interval_s
        self._runs: dict[tuple[str, float], Replica] = {}
        self._latest: dict[str, tuple[str, float]] = {}
        self._unheard: dict[str, Target] = {}
        self._silent_since: dict[str, float] = {}
        self._outages: list[Interval] = []
        self._hidden: list[Target] = []

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """All runs, in the order in which they were first heard."""
        return tuple(self._runs.values())

    def heard(self, seen: Replica) -> None:
        """A scrape succeeded, at ``seen.scraped_at``."""
        run = (seen.name, seen.observing_since)
        is_new = run not in self._runs
        former = self._latest.get(seen.name)
        if former is not None and former != run and self._runs[former].gone_at is None:
            began = seen.observing_since
            if began < self._runs[former].scraped_at:  # it remembers more than its own life
                began = seen.scraped_at
            self._runs[former] = replace(self._runs[former], gone_at=began)
        gaps = self._runs[run].gaps if run in self._runs else ()
        silent_since = self._silent_since.pop(seen.name, None)
        if silent_since is not None and run in self._runs:
            gaps += (Interval(silent_since, seen.scraped_at),)
        self._runs[run] = replace(seen, gaps=gaps + seen.gaps)
        self._latest[seen.name] = run
        unheard = self._unheard.pop(seen.name, None)
        if unheard is not None and unheard.gone_at is not None:
            self._hidden.append(unheard)
        elif is_new and silent_since is not None:
            self._suspect(seen, silent_since, has_former=former is not None)

    def _suspect(self, seen: Replica, silent_since: float, *, has_former: bool) -> None:
        """After a long silence under its name, somebody else may have been there before this run;
        whoever is heard for the first time may have been slow to start."""
        patience_s = _AFTERMATH_SCRAPES * self.interval_s
        if not has_former:
            patience_s = max(patience_s, _SLOW_START_S)
        if seen.observing_since - silent_since > patience_s:
            self._hidden.append(Target(seen.service, seen.name, seen.observing_since))

    def silent(self, service: str, name: str, at: float) -> None:
        """Discovery knows the replica, and it did not answer."""
        self._silent_since.setdefault(name, at)
        run = self._latest.get(name)
        if run is None or self._is_over(self._runs[run]):
            self._unheard.setdefault(name, Target(service, name))
        else:
            self._runs[run] = replace(self._runs[run], is_answering=False)

    def gone(self, name: str, at: float) -> None:
        """Discovery does not know the replica any more; ``at``: it had certainly ended by then."""
        silent_since = self._silent_since.pop(name, None)
        run = self._latest.get(name)
        if run is not None and self._runs[run].gone_at is None:
            self._runs[run] = replace(self._runs[run], gone_at=at)
        target = self._unheard.get(name)
        if target is None or target.gone_at is not None:
            return
        is_aftermath = (
            run is not None
            and self._runs[run].has_ended
            and silent_since is not None
            and at - silent_since <= _AFTERMATH_SCRAPES * self.interval_s
        )
        if is_aftermath:
            del self._unheard[name]
        else:
            self._unheard[name] = replace(target, gone_at=at)

    def nothing_was_scraped(self, since: float, until: float) -> None:
        """Nobody was asked: a whole replica may have come and gone unseen."""
        self._outages.append(Interval(since, until))

    def fleet(
        self,
        key_ids: Iterable[str],
        now: float,
        watched_since: float,
        held_since: Mapping[str, float] = MappingProxyType({}),
    ) -> Fleet:
        """All of it, as evidence. ``key_ids``: at least those that anybody holds, in natural
        order; the rest as :class:`Fleet` has it."""
        runs = self.replicas
        return Fleet(
            ring=combined_ring(key_ids, (r for r in runs if not self._is_over(r))),
            replicas=runs,
            now=now,
            watched_since=watched_since,
            unscraped=(*self._unheard.values(), *self._hidden),
            gaps=tuple(self._outages),
            stale_after_s=3 * self.interval_s,
            held_since=held_since,
        )

    @staticmethod
    def _is_over(run: Replica) -> bool:
        return run.gone_at is not None or run.has_ended
