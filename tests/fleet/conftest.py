"""A Prometheus whose past is what the test says."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fleet.store import Past, Pod

Remember = Callable[..., Past]


@pytest.fixture
def remember(tmp_path: Path, tool_path: Callable[[str], Path]) -> Iterator[Remember]:
    """A Prometheus with this past."""
    with ExitStack() as stack:

        def start(*pods: Pod, outages: Sequence[tuple[float, float]] = ()) -> Past:
            past = Past(tmp_path, tool_path("prometheus"), tool_path("promtool"), pods, outages)
            stack.callback(past.server.stop)
            past.server.wait_until_ready()
            return past

        yield start
