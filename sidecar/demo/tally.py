"""What was asked, what came back, and whether that was right. Pure: times are arguments.

The last number that the demo prints comes from here: wrong answers. An answer that has to change
while requests keep coming is judged by a :class:`Turn`.
"""

from dataclasses import dataclass, field

from sidecar.demo.caller import Answer

#: Seconds within which a changed keyring must be in use.
PICKUP_S = 2.0
_SURPRISES_SHOWN = 3


@dataclass(slots=True)
class Tally:
    """Counts over the whole demo."""

    asked: int = 0
    accepted: int = 0
    refused: int = 0
    wrong: int = 0
    #: The first few wrong answers, in words.
    surprises: list[str] = field(default_factory=list)

    def add(self, sent: str, answer: Answer, *, is_right: bool) -> None:
        """Count one answer to what ``sent`` names."""
        self.asked += 1
        if answer.status == 200:
            self.accepted += 1
        elif answer.is_from_sidecar:
            self.refused += 1
        if not is_right:
            self.complain(f"{sent}: {answer}")

    def complain(self, surprise: str) -> None:
        """Count something wrong."""
        self.wrong += 1
        if len(self.surprises) < _SURPRISES_SHOWN:
            self.surprises.append(surprise)


class Turn:
    """An answer that stays as it is until it is caused to change: then for good, and in time.

    The new answer may not come before its cause, the old one not later than PICKUP_S after it, nor
    ever again once the new one was seen. Its requests are sent one after the other.
    """

    def __init__(self, before: str, after: str) -> None:
        self._before = before
        self._after = after
        self._caused_at: float | None = None
        self._seen_at: float | None = None

    @property
    def took_s(self) -> float | None:
        """Seconds from the cause until a request was answered anew; None while none was."""
        if self._caused_at is None or self._seen_at is None:
            return None
        return self._seen_at - self._caused_at

    def cause(self, now: float) -> None:
        """The keyring is changed now."""
        self._caused_at = now

    def is_overdue(self, now: float) -> bool:
        """Whether a request sent at ``now`` must get the new answer, seen or not."""
        return self._caused_at is not None and now > self._caused_at + PICKUP_S

    def is_awaited(self, now: float) -> bool:
        """Whether the new answer was not seen yet, and may still come in time."""
        return self._seen_at is None and not self.is_overdue(now)

    def judge(self, answer: Answer, *, asked_at: float, answered_at: float) -> bool:
        """Whether the answer is right; call it as soon as the answer has come."""
        text = str(answer)
        if self._caused_at is not None and text == self._after:
            if self._seen_at is None:
                self._seen_at = answered_at
            return True
        is_late = self._seen_at is not None or self.is_overdue(asked_at)
        return text == self._before and not is_late
