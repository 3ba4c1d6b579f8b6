"""The bounded memory of verified tokens."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.tokens.cache import BYTES_PER_ENTRY, Entry, VerifiedTokens


def entry(size_bytes: int = 100) -> Entry:
    return Entry(None, 0.0, 1.0, size_bytes)


def test_the_least_recently_used_entry_makes_room() -> None:
    memory = VerifiedTokens(2)
    memory.put(b"a", entry())
    memory.put(b"b", entry())
    assert memory.get(b"a") is not None
    memory.put(b"c", entry())
    assert memory.get(b"b") is None
    assert memory.get(b"a") is not None
    assert memory.get(b"c") is not None


def test_long_tokens_make_room_earlier() -> None:
    memory = VerifiedTokens(4)
    memory.put(b"a", entry(3 * BYTES_PER_ENTRY))
    memory.put(b"b", entry(2 * BYTES_PER_ENTRY))
    assert memory.get(b"a") is None
    assert memory.total_bytes == 2 * BYTES_PER_ENTRY


def test_a_token_that_is_larger_than_all_room_is_not_kept() -> None:
    memory = VerifiedTokens(1)
    memory.put(b"a", entry(2 * BYTES_PER_ENTRY))
    assert len(memory) == 0
    assert memory.total_bytes == 0


@given(
    st.integers(1, 5),
    st.lists(st.tuples(st.sampled_from("pgd"), st.binary(max_size=1), st.integers(0, 2000))),
)
def test_it_never_holds_more_than_its_bounds_and_counts_rightly(
    max_entries: int, steps: list[tuple[str, bytes, int]]
) -> None:
    memory = VerifiedTokens(max_entries)
    sizes: dict[bytes, int] = {}
    for step, digest, size in steps:
        if step == "p":
            memory.put(digest, entry(size))
            sizes[digest] = size
        elif step == "d":
            memory.drop(digest)
        assert len(memory) <= max_entries
        assert memory.total_bytes <= max_entries * BYTES_PER_ENTRY
        held = [size for each, size in sizes.items() if memory.get(each) is not None]
        if step != "d":
            assert memory.total_bytes == sum(held)
