"""What the Bytewax logics add to the progress and the machine: timers, restarts, and the end of the input."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from prometheus_client import REGISTRY

from dataflow.errors import LostRowsError
from dataflow.items.judged import Passed
from dataflow.settings import Window
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window.logics import (
    Common,
    KeepLogic,
    Loading,
    ProgressLogic,
    WindowLogic,
)
from dataflow.window.messages import (
    Append,
    Gather,
    GroupRows,
    Order,
    Output,
    Recall,
    Run,
    Stamp,
    Times,
)
from tests.support.window_items import S, of_type, stamp_of
from tests.support.windowing import Arrival, at, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
impatient = spec(kind="tumbling", length=10, delay=0, idle_timeout=60)
of_keys = spec(kind="tumbling", length=10, delay=0, watermark="key", idle_timeout=60, remember=3600)


class Clock:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.now = at(1000)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def common(window: Window = tumbling, clock: Clock | None = None, stopping: bool = False) -> Common:
    clock = clock or Clock()
    return Common(window, clock, UNWATCHED, (), Loading(clock), lambda: stopping)


def times(*seconds: int, group: int = 0) -> Times:
    return Times(Run("p0", 0), np.array(seconds) * S, np.full(len(seconds), group))


def items(*seconds: int, first: int = 0, arrival_us: int | None = None) -> list[GroupRows | Stamp]:
    """The rows of a run and their stamp; the watermark is the time of the event before."""
    rows = batch([Arrival(ts) for ts in seconds], first)
    before = [seconds[0] * S, *(ts * S for ts in seconds[:-1])]
    stamp = stamp_of(rows, before, seconds[-1] * S)
    assert stamp.run is not None
    return [GroupRows(stamp.run, rows, arrival_us), stamp]


def orders(outputs: Any) -> list[Order]:
    return [order for output in outputs for order in output.orders]


def marks(stamps: Any) -> list[tuple[int, int]]:
    """The groups that got a mark, and the watermark in it, in seconds."""
    return [(group, int(stamp.watermark[-1]) // S) for group, stamp in stamps if stamp.run is None]


def metric(name: str) -> float:
    value = REGISTRY.get_sample_value(f"driftline_{name}")
    assert value is not None
    return value


def test_a_run_is_stamped_at_once_and_jumps_are_counted() -> None:
    window = tumbling.model_copy(update={"max_jump": timedelta(seconds=10)})
    logic, before = ProgressLogic(common(window), None), metric("jumps_total")
    stamps, discard = logic.on_batch([times(5, 5000, 6), times(5001, group=2)])
    assert [group for group, stamp in stamps if stamp.run] == [0, 2]
    assert not discard
    assert metric("jumps_total") == before + 2


def test_the_progress_step_wakes_only_to_watch_for_silent_partitions() -> None:
    clock = Clock()
    assert ProgressLogic(common(tumbling, clock), None).notify_at() is None
    logic = ProgressLogic(common(impatient, clock), None)
    assert logic.notify_at() == clock.now + timedelta(seconds=1)
    logic.on_batch([times(8)])
    found: list[tuple[int, int]] = []
    for _ in range(62):
        clock.move(1)
        found += marks(logic.on_notify()[0])
    assert found == [(group, second) for second in (9, 10) for group in range(3)]


def test_no_timer_moves_the_stream_while_the_process_stops() -> None:
    clock = Clock()
    logic = ProgressLogic(common(impatient, clock, stopping=True), None)
    logic.on_batch([times(8)])
    for _ in range(70):
        clock.move(1)
        assert logic.on_notify() == ([], False)


def test_groups_learn_after_loading_of_the_ends_that_the_watermark_passed_meanwhile() -> None:
    clock = Clock()
    hurried = spec(kind="tumbling", length=1000, delay=0, idle_timeout=5)
    shared = common(hurried, clock)
    logic = ProgressLogic(shared, None)
    logic.on_batch([times(999)])
    KeepLogic(shared, KeepLogic(shared, None).snapshot())
    found: list[tuple[int, int]] = []
    for _ in range(20):
        clock.move(1)
        found += marks(logic.on_notify()[0])
    assert logic.snapshot()["watermark"] > 1000 * S
    assert {group for group, watermark in found if watermark >= 1000} == {0, 1, 2}


@pytest.mark.parametrize(
    ("on_eof", "stopping", "closed"), [("close", False, True), ("keep", False, False), ("close", True, False)]
)
def test_the_end_of_the_input_closes_windows_unless_they_are_to_be_kept(
    on_eof: str, stopping: bool, closed: bool
) -> None:
    shared = common(spec(kind="tumbling", length=10, on_eof=on_eof), stopping=stopping)
    progress, logic = ProgressLogic(shared, None), WindowLogic(shared, None)
    assert progress.on_eof() == ([], False)
    progress.on_batch([times(5)])
    stamps, discard = progress.on_eof()
    assert marks(stamps) == ([(group, 10) for group in range(3)] if closed else [])
    assert not discard
    logic.on_batch(items(5))
    outputs, discard = logic.on_eof()
    assert of_type(orders(outputs)) == (["Gather", "Drop"] if closed else [])
    assert not discard


def test_rows_wait_for_their_stamp_and_their_windows_know_when_the_records_were_read() -> None:
    logic = WindowLogic(common(), None)
    rows, stamp = items(5, 15, arrival_us=7)
    assert logic.on_batch([rows]) == ([], False)
    with pytest.raises(LostRowsError, match="did not come within their epoch"):
        logic.snapshot()
    append, gather = orders(logic.on_batch([stamp])[0])[:2]
    assert isinstance(append, Append)
    assert isinstance(gather, Gather)
    assert gather.arrival_us == 7
    logic.snapshot()
    # A stamp may come first, too.
    assert logic.on_batch(items(16, first=2)[::-1])[0]


def test_a_group_built_from_a_snapshot_recalls_its_rows_before_its_first_order_and_only_once() -> None:
    before = WindowLogic(common(), None)
    before.on_batch(items(5))
    logic = WindowLogic(common(), before.snapshot())
    mark = Stamp(None, np.array([6 * S]))
    assert logic.on_batch([mark]) == ([Output(passed=Passed(0, 6 * S))], False)
    outputs, _ = logic.on_batch(items(6, first=1))
    assert orders(outputs)[0] == Recall(0)
    assert of_type(orders(outputs)) == ["Recall", "Append"]
    assert of_type(orders(logic.on_batch(items(7, first=2))[0])) == ["Append"]


def test_a_group_wakes_only_if_its_keys_have_watermarks_of_their_own() -> None:
    clock = Clock()
    for window in (tumbling, impatient):
        assert WindowLogic(common(window, clock), None).notify_at() is None
    logic = WindowLogic(common(of_keys, clock), None)
    assert logic.notify_at() == clock.now + timedelta(seconds=15)
    logic.on_batch(items(5))
    clock.move(65)
    # The timer was late; the time that it was late is not silence.
    assert logic.on_notify() == ([], False)
    found = []
    for _ in range(5):
        assert logic.notify_at() == clock.now + timedelta(seconds=15)
        clock.move(15)
        found.append(of_type(orders(logic.on_notify()[0])))
    # The partition is idle after 60 s of silence, 50 s of which did not count before; then 5 s to the end.
    assert found == [[], [], [], ["Gather", "Drop"], []]


def test_a_key_that_is_quiet_is_forgotten_by_a_timer_without_an_idle_timeout_too() -> None:
    clock = Clock()
    window = spec(kind="tumbling", length=10, delay=0, watermark="key", remember=100)
    logic = WindowLogic(common(window, clock), None)
    logic.on_batch(items(5))
    logic.on_eof()
    for second in range(4):
        assert logic.notify_at() == clock.now + timedelta(seconds=25), second
        assert len(logic.snapshot()["clocks"]) == 1
        clock.move(25)
        logic.on_notify()
    assert logic.snapshot()["clocks"] == []


def test_the_time_that_bytewax_took_to_load_is_not_silence() -> None:
    clock = Clock()
    before = WindowLogic(common(of_keys, clock), None)
    before.on_batch(items(5))
    shared = common(of_keys, clock)
    logic = WindowLogic(shared, before.snapshot())
    clock.move(3600)
    KeepLogic(shared, KeepLogic(shared, None).snapshot())
    assert logic.on_notify() == ([], False)
    clock.move(15)
    assert logic.on_notify() == ([], False)


def test_no_timer_acts_while_bytewax_loads_snapshots() -> None:
    clock = Clock()
    first = WindowLogic(common(of_keys, clock), None)
    first.on_batch(items(5))
    shared = common(of_keys, clock)
    logic, progress = WindowLogic(shared, first.snapshot()), ProgressLogic(shared, None)
    clock.move(5)
    KeepLogic(shared, KeepLogic(shared, None).snapshot())
    assert shared.loading.over == clock.now + timedelta(seconds=10)
    clock.move(9)
    assert logic.on_notify() == ([], False)
    assert progress.on_notify() == ([], False)
    # A new logic, without a snapshot, says nothing about the snapshots that are still to come.
    WindowLogic(shared, None)
    assert shared.loading.over == clock.now + timedelta(seconds=1)
