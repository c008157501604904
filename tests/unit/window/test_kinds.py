"""The kinds of windows that the settings name."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.window.kinds import grids, last_end, open_assigner
from tests.support.window_items import S
from tests.support.windowing import at, spec

KINDS: list[tuple[dict[str, Any], list[int]]] = [
    ({"kind": "sliding", "length": 10, "slide": 5}, [5, 10]),
    ({"kind": "tumbling", "length": 10, "slide": 5}, [10]),
    ({"kind": "session", "gap": 10, "length": 60}, [12]),
]


@pytest.mark.parametrize(("options", "starts"), KINDS)
def test_the_windows_of_an_event_are_those_of_the_kind(options: dict[str, Any], starts: list[int]) -> None:
    assert open_assigner(spec(**options)).missed(12 * S) == [(s * S, (s + 10) * S) for s in starts]


@pytest.mark.parametrize("kind", ["sliding", "tumbling", "session"])
@given(
    length=st.integers(1, 60), slide=st.integers(1, 60), align=st.integers(-99, 99), ts=st.integers(-500, 500)
)
def test_the_last_end_is_that_of_the_last_window_of_an_event(
    kind: str, length: int, slide: int, align: int, ts: int
) -> None:
    window = spec(kind=kind, length=length, slide=min(slide, length), gap=length)
    window = window.model_copy(update={"align_to": at(align)})
    assert last_end(window, ts * S) == open_assigner(window).missed(ts * S)[-1][1]
    # The grids have the end of each window that an event may be in, sessions excepted.
    if kind != "session":
        assert any(not (last_end(window, ts * S) - at) % step for at, step in grids(window, 10)[:1])


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({"kind": "sliding", "length": 60, "slide": 30}, 3 * S),
        ({"kind": "tumbling", "length": 60, "slide": 30}, 6 * S),
        ({"kind": "session", "gap": 20, "length": 60}, 2 * S),
    ],
)
def test_the_last_grid_has_the_asked_parts_of_the_time_between_windows(
    options: dict[str, Any], step: int
) -> None:
    assert grids(spec(**options), 10)[-1] == (0, step)


def test_a_grid_is_never_finer_than_the_times_of_events() -> None:
    assert grids(spec(kind="session", gap=1).model_copy(update={"gap": timedelta(microseconds=3)}), 10)[
        -1
    ] == (0, 1)
