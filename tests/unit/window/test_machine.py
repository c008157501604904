"""The window machine of one key: events in, whole windows and late events out."""

import pytest

from dataflow.clock import NEVER
from dataflow.items.windows import WindowRef
from dataflow.window.machine import Idle, Windows
from dataflow.window.messages import Append, Drop, Gather, Output
from dataflow.window.progress import Stamped
from tests.support.windowing import Arrival, Harness, batch, spec

S = 1_000_000
tumbling = spec(kind="tumbling", length=10, delay=0)


def push(machine: Windows, *seconds: int, first: int = 0) -> Output:
    return machine.push(Stamped(batch([Arrival(ts) for ts in seconds], first), (), arrival_us=7), 0)


def ref(start: int, end: int, revision: int = 0) -> WindowRef:
    return WindowRef(start * S, end * S, revision)


def test_a_window_is_gathered_and_its_chunk_dropped_when_the_watermark_reaches_its_end() -> None:
    machine = Windows(tumbling, 0)
    assert [type(order) for order in push(machine, 1, 5).orders] == [Append]
    assert (machine.open, machine.rows, machine.chunks, machine.watermark) == (1, 2, [0], 5 * S)
    append, *rest = push(machine, 9, 10, first=2).orders
    assert isinstance(append, Append)
    assert rest[0] == Gather(0, ref(0, 10), parts=1, rows=3, seen=3, arrival_us=7)
    assert (machine.open, machine.watermark, machine.highest) == (1, 10 * S, 10 * S)


def test_an_event_in_several_windows_is_emitted_in_each() -> None:
    harness = Harness(spec(kind="sliding", length=10, slide=5, delay=0))
    harness.push([Arrival(7), Arrival(12), Arrival(30)], 0)
    assert harness.emitted().windows == [(ref(0, 10), (0,)), (ref(5, 15), (0, 1)), (ref(10, 20), (1,))]


def test_an_event_behind_the_watermark_is_late_only_if_all_its_windows_have_ended() -> None:
    harness = Harness(spec(kind="sliding", length=10, slide=5, delay=0))
    harness.push([Arrival(16), Arrival(12), Arrival(9)], 0)
    harness.finish()
    assert harness.emitted().late == {2: 1 * S}
    assert harness.emitted().windows[0] == (ref(10, 20), (1, 0))


def test_a_late_event_within_the_allowed_lateness_emits_the_window_again() -> None:
    harness = Harness(spec(kind="tumbling", length=10, delay=0, allowed_lateness=20))
    harness.push([Arrival(5), Arrival(15)], 0)
    harness.push([Arrival(6), Arrival(7)], 2)
    assert harness.emitted().windows == [(ref(0, 10), (0,))]
    harness.push([Arrival(16)], 4)
    assert harness.emitted().windows[1:] == [(ref(0, 10, 1), (0, 2, 3))]
    harness.push([Arrival(31), Arrival(8)], 5)
    assert set(harness.emitted().late) == {6}


def test_the_end_of_the_input_closes_all_windows_and_emits_revisions() -> None:
    harness = Harness(spec(kind="tumbling", length=10, delay=0, allowed_lateness=100))
    harness.push([Arrival(5), Arrival(15), Arrival(6)], 0)
    harness.finish()
    assert harness.emitted().windows == [(ref(0, 10), (0,)), (ref(0, 10, 1), (0, 2)), (ref(10, 20), (1,))]


def test_a_revision_of_the_last_window_is_emitted_at_the_end_of_the_input() -> None:
    harness = Harness(spec(kind="tumbling", length=10, delay=0, allowed_lateness=100))
    harness.push([Arrival(5)], 0)
    harness.finish()
    harness.push([Arrival(6)], 1)
    harness.finish()
    assert harness.emitted().windows == [(ref(0, 10), (0,)), (ref(0, 10, 1), (0, 1))]


def test_a_key_without_rows_remembers_a_few_numbers() -> None:
    machine = Windows(tumbling, 0)
    assert machine.idle() == Idle(NEVER, NEVER, NEVER, 0)
    push(machine, 5)
    assert machine.idle() is None
    assert machine.finish().orders[-1] == Drop(0)
    idle = machine.idle()
    assert idle == Idle(watermark=10 * S, highest=5 * S, gone_until=10 * S, next_chunk=1)
    again = Windows(tumbling, 0, idle=idle)
    assert len(push(again, 6, first=1).late) == 1
    (append,) = push(again, 12, first=2).orders
    assert append.chunk == 1


def test_a_machine_goes_on_from_its_snapshot() -> None:
    machine = Windows(tumbling, 0)
    push(machine, 1, 12)
    again = Windows(tumbling, 0, machine.snapshot())
    assert again.snapshot() == machine.snapshot()
    assert (again.open, again.rows, again.watermark) == (machine.open, machine.rows, machine.watermark)


def test_the_state_of_another_format_is_refused() -> None:
    state = Windows(tumbling, 0).snapshot() | {"format": 0}
    with pytest.raises(ValueError, match="format 0"):
        Windows(tumbling, 0, state)


def test_a_machine_asks_for_a_tick_only_if_the_wall_clock_can_move_the_watermark() -> None:
    machine = Windows(tumbling, 0)
    push(machine, 5)
    assert machine.wake_at(0) is None
    idle = Windows(tumbling.model_copy(update={"idle_timeout": spec(gap=60).gap}), 0)
    assert idle.wake_at(0) is None
    push(idle, 5)
    assert idle.wake_at(0) == 60 * S
    assert idle.tick(60 * S).orders == []
    assert idle.wake_at(60 * S) == 65 * S
    gather, _ = idle.tick(65 * S).orders
    assert gather == Gather(0, ref(0, 10), parts=1, rows=1, seen=1)


def test_time_when_the_process_stood_still_is_not_silence() -> None:
    idle = Windows(tumbling.model_copy(update={"idle_timeout": spec(gap=60).gap}), 0)
    push(idle, 5)
    assert idle.tick(3600 * S, stalled_us=3600 * S).orders == []
    assert idle.watermark == 5 * S
