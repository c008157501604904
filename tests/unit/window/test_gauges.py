"""The gauges of the window stage show what the state holds, also after a restart."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from dataflow.items.marks import Marked
from dataflow.settings import Window
from dataflow.telemetry.live_objects import LiveObjects
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window import gauges
from dataflow.window.logics import Common, KeepLogic, Loading, ProgressLogic, WindowLogic
from dataflow.window.messages import Gather, GroupRows, Stamp
from dataflow.window.split import split
from tests.support.windowing import Arrival, Stage, at, batch, spec


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"driftline_{name}", labels)
    assert found is not None, name
    return found


class Logics:
    """The logics of the stage, as Bytewax runs them. ``state`` is what :meth:`snapshot` returned."""

    def __init__(self, window: Window, state: Any = (None, {}, {})) -> None:
        self._common = Common(window, lambda: at(0), UNWATCHED, (), Loading(lambda: at(0)))
        progress, groups, chunks = state
        self._progress = ProgressLogic(self._common, progress)
        self._groups = {key: WindowLogic(self._common, kept) for key, kept in groups.items()}
        self._chunks = {key: KeepLogic(self._common, kept) for key, kept in chunks.items()}

    def push(self, *arrivals: Arrival) -> None:
        pieces = split(Marked(batch(arrivals)), self._common.options.key_groups)
        stamps, _ = self._progress.on_batch(pieces.times)
        items: list[tuple[int, GroupRows | Stamp]] = [*pieces.rows, *stamps]
        for group, item in items:
            if group not in self._groups:
                self._groups[group] = WindowLogic(self._common, None)
            outputs, _ = self._groups[group].on_batch([item])
            for order in (order for output in outputs for order in output.orders):
                if not isinstance(order, Gather):
                    at_chunk = group, order.chunk
                    chunk = self._chunks.setdefault(at_chunk, KeepLogic(self._common, None))
                    if chunk.on_batch([order])[1]:
                        del self._chunks[at_chunk], chunk

    def snapshot(self) -> Any:
        groups = {key: logic.snapshot() for key, logic in self._groups.items()}
        chunks = {key: logic.snapshot() for key, logic in self._chunks.items()}
        return self._progress.snapshot(), groups, chunks


def state() -> list[float]:
    names = ("state_rows", "state_bytes", "windows_open", "event_time_skew_seconds")
    bounds = [value("watermark_timestamp_seconds", bound=bound) for bound in ("lowest", "highest")]
    return [*map(value, names), *bounds]


NOTHING = [0, 0, 0, math.nan, math.nan, math.nan]
FIRST = [Arrival(1, key="k"), Arrival(12, key="a"), Arrival(11, key="k"), Arrival(9, key="c")]
GAUGED = [
    spec(kind="sliding", length=10, slide=5, delay=3),
    spec(kind="session", gap=5, delay=3),
    spec(kind="sliding", length=10, slide=5, delay=3, watermark="key"),
]


@pytest.mark.parametrize("window", GAUGED, ids=["sliding", "session", "of keys"])
def test_the_gauges_show_what_is_held_through_a_restart_until_it_is_dropped(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("PROGRESS", "GROUPS", "CHUNKS"):
        monkeypatch.setattr(gauges, kind, LiveObjects())
    gauges.show()
    assert state() == pytest.approx(NOTHING, nan_ok=True)
    logics = Logics(window)
    # The keys ``a`` and ``c`` are in one group, and ``k`` is in another.
    logics.push(*FIRST)
    held = state()
    rows, size, windows, skew, lowest, highest = held
    assert (skew, highest) == (3, 9)
    assert lowest == (6 if window.watermark == "key" else 9)
    # The watermark of the stream is at 9. In each group, [0, 10), [5, 15) and [10, 20) have not ended. Where
    # keys are told apart, the windows of each key count.
    expected = {("sliding", "stream"): 3 + 3, ("session", "stream"): 3, ("sliding", "key"): 2 + 2 + 3}
    assert windows == expected[window.kind, window.watermark]
    assert rows >= 3
    assert size > 0
    assert gauges.count() == (2, 2)
    store = logics.snapshot()
    del logics
    assert state() == pytest.approx(NOTHING, nan_ok=True)
    again = Logics(window, store)
    assert state() == pytest.approx(held, rel=0.05)
    again.push(Arrival(1000, key="k"), Arrival(1000, key="a"), Arrival(1000, key="c"))
    assert state()[0] == 3
    assert state()[-2:] == [997, 997]


@given(
    st.lists(st.tuples(st.integers(0, 300), st.sampled_from("kab")), min_size=1),
    st.sampled_from(
        [
            spec(length=60, slide=7, delay=9),
            spec(length=20, slide=20),
            spec(kind="session", gap=9),
            spec(kind="session", gap=9, watermark="key"),
        ]
    ),
)
def test_windows_are_open_until_they_end(events: list[tuple[int, str]], window: Window) -> None:
    """A window of all keys of a group is one window."""
    stage = Stage(window)
    for number, (ts, key) in enumerate(events):
        stage.push([Arrival(ts, key=key)], number)
    opened = sum(group.machine.open for group in stage.groups.values())
    before = sum(len(group.emitted) for group in stage.groups.values())
    whole = stage.finish()
    after = [whole for group in stage.groups.values() for whole in group.emitted][before:]
    assert whole
    if window.kind == "session":
        assert opened == sum(len(set(w.gather().column("key").to_pylist())) for w in after)
    else:
        assert opened == len(after)


def test_late_events_count_by_reason() -> None:
    def late() -> list[float]:
        return [value("late_events_total", reason=reason) for reason in ("closed", "session")]

    def late_by() -> float:
        return value("late_by_seconds_sum")

    before, sum_before = late(), late_by()
    logics = Logics(spec(kind="session", gap=10, delay=0))
    # 5 lies in [0, 10), which is over; a session of 75 would be over, too. At 119, [100, 119) is over: 112
    # lies in it, though a session of its own would be open until 122.
    for ts in (0, 100, 5, 75, 109, 119, 112):
        logics.push(Arrival(ts))
    assert [new - old for new, old in zip(late(), before, strict=True)] == [2, 1]
    assert late_by() - sum_before == (100 - 15) + (100 - 85) + 0
