"""Counts per key and generation that never fall, though a key's generation changes. Pure."""

from collections.abc import Mapping

from sidecar.tokens.keyring import Keyring


class GenerationTally:
    """Tokens per key and generation, each of them a counter that never falls.

    A key's generation changes when a newer key comes. What was counted since the scrape before is
    entered under the generation of now; what was entered stays where it is.
    """

    def __init__(self) -> None:
        self._entered: dict[str, int] = {}  # key -> tokens that are in the tally
        self._tally: dict[tuple[str, str], int] = {}

    def update(self, keyring: Keyring, totals: Mapping[str, int]) -> Mapping[tuple[str, str], int]:
        """(key, generation) -> tokens, from each key's total of now."""
        for key_id, total in totals.items():
            generation = keyring.generation(key_id)
            fresh = total - self._entered.get(key_id, 0)
            # A key that left keeps its counts as they are, and one that only memory knows gets one.
            if fresh or key_id in keyring.by_id or key_id not in self._entered:
                entry = (key_id, generation)
                self._tally[entry] = self._tally.get(entry, 0) + fresh
            self._entered[key_id] = total
        return self._tally
