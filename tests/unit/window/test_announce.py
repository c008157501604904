"""Events are told of when they come, in their place among the emissions."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow import settings
from dataflow.clock import NEVER
from dataflow.items.windows import KeyWindow
from dataflow.window.machine import Windows
from dataflow.window.messages import Gather
from tests.support.plain import stored
from tests.support.window_items import S, stamp_of
from tests.support.windowing import Arrival, batch, spec

KINDS = {
    "tumbling": spec(kind="tumbling", length=10, delay=3),
    "sliding": spec(kind="sliding", length=10, slide=5, delay=3),
    "lateness": spec(kind="sliding", length=10, slide=5, delay=3, allowed_lateness=10),
}
times = st.lists(st.integers(0, 60), max_size=30)
cuts = st.lists(st.integers(1, 29), max_size=4)


class Said(NamedTuple):
    """What is said of one event: how many emissions and events come before it, and the open window."""

    emissions: int
    before: int
    start: int
    end: int


def said(
    window: settings.Window, ts: Sequence[int], cuts: Sequence[int]
) -> tuple[dict[str, Said], dict[int, tuple[int, int]]]:
    """By id, what is said of each event. By emission, the end of the window in seconds, and how many events
    come before.
    """
    machine, highest = Windows(window, 0, announces=True), NEVER
    events: dict[str, Said] = {}
    ends: dict[int, tuple[int, int]] = {}
    counts = [0]  # how many events each number of messages has told of
    for first, last in itertools.pairwise(sorted({0, *(cut for cut in cuts if cut < len(ts)), len(ts)})):
        rows, marks = batch([Arrival(at) for at in ts[first:last]], first), []
        for at in ts[first:last]:
            marks.append(highest)
            highest = max(highest, (at - 3) * S)
        output = machine.push(stamp_of(rows, marks, highest), rows, 0)
        for arrived in output.arrived:
            assert arrived.number == len(counts) - 1
            assert arrived.passed == arrived.end - (window.step.seconds * S)
            for place, id in enumerate(arrived.rows.column("id").to_pylist()):
                events[id] = Said(arrived.emissions, counts[-1] + place, arrived.start // S, arrived.end // S)
            counts.append(counts[-1] + len(arrived.rows))
        for order in output.orders:
            if isinstance(order, Gather):
                windows = order.windows
                of_one = windows if isinstance(windows, KeyWindow) else next(iter(windows.values()))
                ends[order.emission] = of_one.ref.end // S, counts[order.arrived]
        machine = Windows(window, 0, stored(machine.snapshot()), announces=True)
    return events, ends


@pytest.mark.parametrize("kind", KINDS)
@given(ts=times, cuts=cuts)
def test_batches_and_restarts_change_no_place(kind: str, ts: list[int], cuts: list[int]) -> None:
    events, ends = said(KINDS[kind], ts, cuts)
    if kind != "lateness":  # there, an emission may come again while no window ends
        assert (events, ends) == said(KINDS[kind], ts, ())


@given(ts=times, cuts=cuts)
def test_an_event_comes_between_the_windows_that_end_before_and_after_it(
    ts: list[int], cuts: list[int]
) -> None:
    events, ends = said(KINDS["sliding"], ts, cuts)
    highest = NEVER // S
    for number, at in enumerate(ts):
        watermark, found = highest, events.get(f"{number:06d}")
        highest = max(highest, at - 3)
        # The last window of the event starts at a multiple of 5.
        assert (found is None) == (at // 5 * 5 + 10 <= watermark)
        if found is not None:
            assert found.end - 5 <= watermark < found.end == found.start + 10
            assert found.emissions == sum(end <= watermark for end, _ in ends.values())
    for end, before in ends.values():
        assert before == sum(found.end - 5 < end for found in events.values())


def test_nothing_is_told_unless_it_is_asked_for() -> None:
    rows = batch([Arrival(1)])
    assert Windows(KINDS["sliding"], 0).push(stamp_of(rows, [NEVER], 1), rows, 0).arrived == []
