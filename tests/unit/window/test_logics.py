"""What the Bytewax logics add to the machine and the chunks: timers, restarts, and the end of the input."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from dataflow.items.marks import Marked
from dataflow.items.windows import WindowRef
from dataflow.telemetry.watch import UNWATCHED
from dataflow.window.logics import (
    AssembleLogic,
    Common,
    KeepLogic,
    Loading,
    ProgressLogic,
    ReadLogic,
    WindowLogic,
)
from dataflow.window.messages import Append, Drop, Gather, Gone, Output, Part, Recall, Replace, Trim
from dataflow.window.progress import Stamped
from tests.support.windowing import Arrival, at, batch, spec

tumbling = spec(kind="tumbling", length=10, delay=0)
impatient = spec(kind="tumbling", length=10, delay=0, idle_timeout=60)


class Clock:
    """A wall clock that the test moves."""

    def __init__(self) -> None:
        self.now = at(1000)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def common(window: Any = tumbling, clock: Clock | None = None, stopping: bool = False) -> Common:
    clock = clock or Clock()
    return Common(window, clock, UNWATCHED, (), Loading(clock), lambda: stopping)


def stamped(*seconds: int, first: int = 0) -> list[Stamped]:
    return [Stamped(batch([Arrival(ts) for ts in seconds], first), ())]


def orders(outputs: Any) -> list[type]:
    return [type(order) for output in outputs for order in output.orders]


def test_rows_know_when_their_records_were_read_whatever_their_partition() -> None:
    rows = batch([Arrival(1, "a"), Arrival(2, "b")])
    outputs, discard = ProgressLogic(common(), None).on_batch([Marked(rows, arrival_us=7)])
    assert [part.arrival_us for part in outputs] == [7, 7]
    assert not discard


def test_the_progress_step_wakes_only_to_watch_for_silent_partitions() -> None:
    clock = Clock()
    assert ProgressLogic(common(tumbling, clock), None).notify_at() is None
    assert ProgressLogic(common(impatient, clock), None).notify_at() == clock.now + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("on_eof", "stopping", "closed"), [("close", False, True), ("keep", False, False), ("close", True, False)]
)
def test_the_end_of_the_input_closes_windows_unless_they_are_to_be_kept(
    on_eof: str, stopping: bool, closed: bool
) -> None:
    logic = WindowLogic(common(spec(kind="tumbling", length=10, on_eof=on_eof), stopping=stopping), None)
    logic.on_batch(stamped(5))
    outputs, discard = logic.on_eof()
    assert orders(outputs) == ([Gather, Drop] if closed else [])
    assert not discard


def test_a_key_built_from_a_snapshot_recalls_its_rows_before_its_first_order_and_only_once() -> None:
    before = WindowLogic(common(), None)
    before.on_batch(stamped(5))
    logic = WindowLogic(common(), before.snapshot())
    outputs, _ = logic.on_batch(stamped(6, first=1))
    assert orders(outputs) == [Recall, Append]
    outputs, _ = logic.on_batch(stamped(7, first=2))
    assert orders(outputs) == [Append]


def test_a_key_without_rows_is_discarded_after_the_time_to_remember_it() -> None:
    clock = Clock()
    logic = WindowLogic(common(clock=clock), None)
    logic.on_batch(stamped(5))
    logic.on_eof()
    assert logic.snapshot() == {"rest": (10_000_000, 5_000_000, 10_000_000, 1)}
    remember_until = clock.now + tumbling.remember
    assert logic.notify_at() == remember_until
    clock.now = remember_until
    assert logic.on_notify() == ([], True)


def test_a_key_that_was_idle_goes_on_from_the_numbers_in_its_snapshot() -> None:
    logic = WindowLogic(common(), {"rest": (10_000_000, 5_000_000, 10_000_000, 1)})
    outputs, _ = logic.on_batch(stamped(5, 12))
    (output,) = outputs
    assert isinstance(output, Output)
    assert sum(map(len, output.late)) == 1
    assert [order.chunk for order in output.orders] == [1]


def test_no_timer_acts_while_bytewax_loads_snapshots() -> None:
    clock = Clock()
    first = WindowLogic(common(impatient, clock), None)
    first.on_batch(stamped(5))
    shared = common(impatient, clock)
    logic = WindowLogic(shared, first.snapshot())
    clock.move(5)
    KeepLogic(shared, KeepLogic(shared, None).snapshot())
    over = clock.now + timedelta(seconds=10)
    assert shared.loading.over == over
    clock.move(9)
    assert logic.on_notify() == ([], False)
    notify_at = logic.notify_at()
    assert notify_at is not None
    assert notify_at >= over


def test_a_timer_that_is_late_does_not_take_the_delay_for_silence() -> None:
    clock = Clock()
    logic = WindowLogic(common(impatient, clock), None)
    logic.on_batch(stamped(5))
    assert logic.notify_at() == clock.now + timedelta(seconds=60)
    clock.move(3600)
    assert logic.on_notify() == ([], False)
    # The timer was due after a silence of 60 s; the watermark then moves 5 s to the end of the window.
    assert logic.notify_at() == clock.now + timedelta(seconds=5)
    clock.move(5)
    outputs, _ = logic.on_notify()
    assert orders(outputs) == [Gather, Drop]


def test_a_stored_chunk_tells_the_reader_of_changes_and_ends_with_the_drop() -> None:
    logic = KeepLogic(common(), None)
    assert logic.on_batch([Append(0, batch([Arrival(1), Arrival(2)]))]) == ([], False)
    messages, discard = logic.on_batch([Trim(0, 2_000_000), Recall(0)])
    assert [type(message) for message in messages] == [Replace, Replace]
    assert not discard
    assert logic.on_batch([Drop(0)]) == ([Gone()], True)


def test_a_reader_is_discarded_when_the_chunk_is_dropped_in_both_halves() -> None:
    logic = ReadLogic(common(), None)
    gather = Gather(0, WindowRef(0, 10_000_000, 0), parts=1, rows=1, seen=1)
    parts, discard = logic.on_batch([Append(0, batch([Arrival(1)])), gather, Drop(0)])
    assert [type(part) for part in parts] == [Part]
    assert not discard
    assert logic.on_batch([Gone()]) == ([], True)


def test_an_assembly_is_discarded_when_its_window_is_whole() -> None:
    logic = AssembleLogic(common(), None)
    part = Part(WindowRef(0, 10_000_000, 0), parts=2, seen=0, rows=[], arrival_us=None)
    assert logic.on_batch([part]) == ([], False)
    whole, discard = logic.on_batch([part])
    assert len(list(whole)) == 1
    assert discard
