"""What was measured: single values, and what is said of them: medians, and medians of ratios."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one program in one round; ``figure`` is what was measured, with its unit."""

    figure: str
    program: str
    round: int
    value: float


class Samples:
    """All values of a run."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.all: Sequence[Sample] = tuple(samples)

    def median(self, figure: str, program: str) -> float | None:
        """The middle one of a program's values; None where it has none."""
        values = self._by_round(figure, program).values()
        return median(values) if values else None

    def ratio(self, figure: str, program: str, peer: str) -> float | None:
        """The median of the rounds' ratios: a slow round of the machine was slow for both."""
        values, peers = self._by_round(figure, program), self._by_round(figure, peer)
        ratios = [value / peers[at] for at, value in values.items() if peers.get(at)]
        return median(ratios) if ratios else None

    def _by_round(self, figure: str, program: str) -> dict[int, float]:
        return {
            sample.round: sample.value
            for sample in self.all
            if sample.figure == figure and sample.program == program
        }
