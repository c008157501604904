"""The kinds of windows that the settings name."""

from typing import Any

import pytest

from dataflow.window.kinds import open_assigner
from tests.support.windowing import spec


@pytest.mark.parametrize(
    ("options", "starts"),
    [
        ({"kind": "sliding", "length": 10, "slide": 5}, [5, 10]),
        ({"kind": "tumbling", "length": 10, "slide": 5}, [10]),
        ({"kind": "session", "gap": 10, "length": 60}, [12]),
    ],
)
def test_the_windows_of_an_event_are_those_of_the_kind(options: dict[str, Any], starts: list[int]) -> None:
    assigner = open_assigner(spec(**options), tuple, None)
    assert assigner.missed(12_000_000) == [(s * 1_000_000, (s + 10) * 1_000_000) for s in starts]
