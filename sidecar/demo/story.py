"""What the demo shows: a whole rotation, step by step, while visitors come and go.

Nothing here decides when a step is done or whether a key may go: that is asked of the rotation
room, with the evidence that the sidecars gave. Every step must be done in time, and everything that
is shown to be refused must be refused; what is not is told and counted. Called by
``demo.performance``.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from sidecar.demo import trials
from sidecar.demo.caller import Caller
from sidecar.demo.observer import Observer
from sidecar.demo.pods import FRONTEND, LIFETIME_S, THOUGHTS, USERS
from sidecar.demo.screen import Screen
from sidecar.demo.system import System
from sidecar.demo.users import LOGIN_PATH
from sidecar.errors import SidecarError
from sidecar.rotation.evidence import Issued
from sidecar.rotation.gates import Answer, retire
from sidecar.rotation.moment import format_moment
from sidecar.rotation.replica import Fleet, combined_evidence
from sidecar.rotation.signers import Missing
from sidecar.rotation.steps import TITLES, Progress, Step, take_stock
from sidecar.rotation.succession import Statement
from sidecar.rotation.verdict import judge_fleet

#: The key that is in use when the demo begins, and the one that follows it.
OLD, NEW = "2026-05", "2026-11"
_PROMPT, _LAGGARD, _SUCCESSOR = "users-1", "users-2", "users-3"

#: From the moment at which the switch is stated to the one that it is stated for: more than every
#: sidecar needs to read it.
_AHEAD_S = 5
#: Far more than anything takes by itself, on a busy machine too.
_PATIENCE_S = 60.0
_COUNTDOWN_PACE_S = 5
_SHOWN = 3
_REMOVED = "401 unknown_key"
_NOT_ALL = "not every sidecar was heard"


class StepNotDone(SidecarError):
    """The rotation did not go on as it must."""

    reason = "step_not_done"
    title = "A step of the rotation was not done in time"


@dataclass(slots=True)
class Story:
    """``wrong``: in words, what was not as it must be."""

    system: System
    caller: Caller
    screen: Screen
    observer: Observer
    begun_at: float
    wrong: list[str] = field(default_factory=list)

    async def tell(self) -> None:
        """All six steps. Raises :class:`StepNotDone`."""
        await self._hold_several()
        await self._give_to_backends()
        await self._give_to_frontends()
        await self._switch()
        await self._wait_for_the_last_token()
        await self._remove()

    # --- the steps -----------------------------------------------------------------------------

    async def _hold_several(self) -> None:
        self._announce(1, f"Every sidecar holds {OLD}; more keys may come at any time.")
        pods = set(self.system.pods)
        await self._until(lambda fleet: {each.name for each in fleet.present} == pods, _NOT_ALL)
        await self._done(1)
        self.screen.line()
        self.screen.paragraph("Tokens of every kind, shown to the Thoughts Backend:")
        (thoughts,) = self.system.pods_of(THOUGHTS)
        users = self.system.pods[_PROMPT]
        token = await self.caller.log_in(users.url + LOGIN_PATH, "alice")
        kinds = trials.of_every_kind(self.system.mint, token, OLD, NEW)
        self.wrong += await trials.make(kinds, thoughts, self.caller, self.screen)

    async def _give_to_backends(self) -> None:
        pods = self.system.pods_of(USERS, THOUGHTS)
        names = ", ".join(pod.name for pod in pods)
        self._announce(2, f"{NEW}.pub goes beside {OLD}.pub in the keyrings of {names}.")
        for pod in pods:
            self.system.accept_key(pod, NEW)
        await self._done(2)

    async def _give_to_frontends(self) -> None:
        pods = self.system.pods_of(FRONTEND)
        names = ", ".join(pod.name for pod in pods)
        self._announce(3, f"The same for {names}. Nothing is signed with {NEW} yet.")
        for pod in pods:
            self.system.accept_key(pod, NEW)
        await self._done(3)

    async def _switch(self) -> None:
        self._announce(
            4, f"{_PROMPT} gets {NEW}.key and signs with it; {_LAGGARD} is forgotten, on purpose."
        )
        self.system.sign_with(self.system.pods[_PROMPT], NEW)
        fleet = await self._until(_has_one_laggard, f"{_LAGGARD} was not found to lag behind")
        step = _step(fleet, 4)
        self.screen.verdict(f"found: {step.why}", is_right=True)
        self._show_missing(step.missing)
        self._try_to_retire(fleet)
        await self._hold_the_laggard()
        await self._done(4)

    def _try_to_retire(self, fleet: Fleet) -> None:
        self.screen.line()
        self.screen.paragraph(f"Too early on purpose: may {OLD} go now?")
        decision = retire(fleet, OLD)
        is_refused = decision.answer is not Answer.YES
        self._verdict(f"{'refused' if is_refused else 'let go'}: {decision.why}", is_refused)

    async def _hold_the_laggard(self) -> None:
        since = await self._state_beside_signers()
        for pod in self.system.pods_of(THOUGHTS, FRONTEND):
            self.system.state_switch(pod, NEW, since)
        fleet = await self._until(
            lambda fleet: bool(_issued(fleet).refused_total), f"{_LAGGARD} was not held back"
        )
        refused = _issued(fleet).refused_total
        self.screen.verdict(
            f"held: the sidecar of {_LAGGARD} kept {refused} {_tokens(refused)} of {OLD} back "
            f"(503 signer_behind); the frontend asked {_PROMPT} instead.",
            is_right=True,
        )

    async def _state_beside_signers(self) -> float:
        """For which moment the switch is stated, and known to every signer's sidecar before that:
        their doors must close before anybody refuses."""
        while True:
            since = float(math.ceil(time.time()) + _AHEAD_S)
            self.screen.line()
            self.screen.paragraph(
                f"The switch is stated for {format_moment(since)}: {NEW}.since goes into every "
                f"keyring, and the sidecars enforce it. From then on {_LAGGARD} cannot hand out a "
                f"token of {OLD} any more."
            )
            for pod in self.system.pods_of(USERS):
                self.system.state_switch(pod, NEW, since)
            await self._until(partial(_is_stated, since=since), "the switch was not stated")
            if time.time() < since:
                return since

    async def _wait_for_the_last_token(self) -> None:
        self._announce(5, f"Whoever has a token of {OLD} may use it until it expires.")
        await self._replace_the_laggard()
        said_s = math.inf
        deadline = time.monotonic() + LIFETIME_S + _PATIENCE_S
        while True:
            fleet = await self._until(lambda _: True, "nothing was heard")
            step, date = _step(fleet, 5), retirable_at(fleet)
            if step.progress is Progress.DONE:
                break
            if date is not None and date - fleet.now <= said_s - _COUNTDOWN_PACE_S:
                live = combined_evidence(fleet, OLD).live_tokens
                said_s = max(math.ceil(date - fleet.now), 0)
                self.screen.evidence(f"{live} {_tokens(live)} of {OLD} alive, {said_s} s to go")
            if time.monotonic() > deadline:
                raise StepNotDone(f"demo: step 5 was not done in time: {step.why}")
        await self._done(5)

    async def _replace_the_laggard(self) -> None:
        """A pod ends and another begins, as in every rollout."""
        system, old = self.system, self.system.pods[_LAGGARD]
        new = system.add_pod(_SUCCESSOR, USERS)
        system.route(_SUCCESSOR)
        system.copy_keyring(old, new)
        system.sign_with(new, NEW)
        await system.start(self.caller, new)
        system.route(_LAGGARD)
        await system.stop(old)
        fleet = await self._until(_has_ended, f"the last word of {_LAGGARD} was not heard")
        total = _issued(fleet).total
        self.screen.verdict(
            f"restarted: {_SUCCESSOR} has replaced {_LAGGARD} and signs with {NEW}; the last word "
            f"of {_LAGGARD}: {total} {_tokens(total)} of {OLD} handed out, none unseen.",
            is_right=True,
        )

    async def _remove(self) -> None:
        self._announce(6, f"{OLD}.pub is taken out of every keyring.")
        for pod in list(self.system.pods.values()):
            self.system.remove_key(pod, OLD)
        await self._done(6)
        (thoughts,) = self.system.pods_of(THOUGHTS)
        late = trials.Trial(f"signed with {OLD} now", self.system.mint.valid(OLD, "eve"), _REMOVED)
        self.wrong += await trials.make([late], thoughts, self.caller, self.screen)

    # --- evidence ------------------------------------------------------------------------------

    def _announce(self, number: int, what: str) -> None:
        self.screen.heading(f"Step {number} of {len(TITLES)}: {TITLES[number - 1]}")
        self.screen.paragraph(what)

    async def _done(self, number: int) -> None:
        """Wait until the step is done, and say on which evidence."""
        fleet = await self._until(
            lambda fleet: _step(fleet, number).progress is Progress.DONE,
            f"step {number} was not done",
        )
        step = _step(fleet, number)
        at_s = time.monotonic() - self.begun_at
        self.screen.verdict(f"step {number} is done, {at_s:.0f} s after the start", is_right=True)
        self.screen.evidence(step.why)
        self._show_missing(step.missing)

    async def _until(self, is_so: Callable[[Fleet], bool], failure: str) -> Fleet:
        fleet = await self.observer.until(is_so, _PATIENCE_S)
        if fleet is None:
            raise StepNotDone(f"demo: {failure} within {_PATIENCE_S:.0f} s")
        return fleet

    def _show_missing(self, missing: tuple[Missing, ...]) -> None:
        for each in missing[:_SHOWN]:
            self.screen.evidence(f"{each.where}: {each.what}")

    def _verdict(self, text: str, is_right: bool) -> None:
        self.screen.verdict(text, is_right=is_right)
        if not is_right:
            self.wrong.append(text)


def take_steps(fleet: Fleet) -> tuple[Step, ...]:
    """The six steps of the demo's rotation."""
    return take_stock(fleet, NEW, frontends=(FRONTEND,))


def retirable_at(fleet: Fleet) -> float | None:
    """When the old key may go (unix seconds), where that is known."""
    verdict = judge_fleet(fleet).get(OLD)
    return None if verdict is None else verdict.retirable_at


def _step(fleet: Fleet, number: int) -> Step:
    return take_steps(fleet)[number - 1]


def _has_one_laggard(fleet: Fleet) -> bool:
    """Whether it is known that the one signer has switched, and not known that the other has."""
    missing = [each.where for each in _step(fleet, 4).missing]
    return missing == [f"{USERS}/{_LAGGARD}"]


def _is_stated(fleet: Fleet, since: float) -> bool:
    """Whether the signers' sidecars know of this switch."""
    signers = [replica for replica in fleet.present if replica.service == USERS]
    return all(replica.ring.statement_of(NEW) == Statement(NEW, since) for replica in signers)


def _has_ended(fleet: Fleet) -> bool:
    """Whether the laggard is gone, with its last word."""
    runs = [replica for replica in fleet.replicas if replica.name == _LAGGARD]
    return all(replica.has_ended for replica in runs)


def _issued(fleet: Fleet) -> Issued:
    """What the laggard handed out, and did not, under the old key."""
    (run,) = (replica for replica in fleet.replicas if replica.name == _LAGGARD)
    assert run.watch is not None
    return run.watch.of(OLD)


def _tokens(count: int) -> str:
    return "token" if count == 1 else "tokens"
