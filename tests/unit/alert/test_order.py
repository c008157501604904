"""The order in which the windows of key groups are decided."""

import random
from collections.abc import Sequence

import pytest

from dataflow.alert.order import DecisionOrder, Due, DueEarly
from dataflow.items.early import Early
from dataflow.items.judged import Judged, Passed
from dataflow.settings import Window, duration
from tests.support.judged import MINUTE, Seen, early, judged
from tests.support.plain import stored

#: Windows of two minutes every minute.
WINDOW = Window(length=duration("2m"), slide=duration("1m"))
Message = tuple[str, Judged | Passed | Early]


def group(name: str, ends: list[list[int]], gap: int = 10) -> list[Message]:
    """What a group says: an emission for each list of ends, one key for each end, and how far it came."""
    messages: list[Message] = []
    for number, some in enumerate(ends):
        windows = {f"{name}{i}": Seen(end - gap, end) for i, end in enumerate(some)}
        messages += [(name, judged(number, windows)), (name, Passed(number + 1, max(some)))]
    return messages


def decided(order: DecisionOrder, messages: list[Message]) -> list[tuple[int, str, int]]:
    found = []
    for name, message in messages:
        order.add(name, message)
        found += order.ready()
    return places(found + order.rest())


def places(dues: Sequence[Due | DueEarly]) -> list[tuple[int, str, int]]:
    """When what is decided; early events have a negative number."""
    return [
        (due.at, due.group, due.judged.emission if isinstance(due, Due) else -1 - due.early.number)
        for due in dues
    ]


def interleaved(parts: list[list[Message]], seed: int) -> list[Message]:
    """The messages of all groups, those of each group in their order."""
    rng, waiting, found = random.Random(seed), [list(part) for part in parts], []
    while any(waiting):
        found.append(rng.choice([part for part in waiting if part]).pop(0))
    return found


def test_any_order_of_arrival_gives_the_order_of_ends() -> None:
    parts = [group("a", [[10], [20, 20], [40]]), group("b", [[20], [30]]), group("c", [[10, 12, 31]])]
    expected = decided(DecisionOrder(3), interleaved(parts, 0))
    assert [at for at, *_ in expected] == sorted(at for at, *_ in expected)
    assert len(expected) == 8
    for seed in range(1, 30):
        assert decided(DecisionOrder(3), interleaved(parts, seed)) == expected


def test_nothing_is_decided_until_all_groups_have_come_as_far() -> None:
    order = DecisionOrder(2)
    for message in (judged(0, {"k": Seen(0, 10)}), Passed(1, 15)):
        order.add("a", message)
    assert not order.ready()
    order.add("b", Passed(0, 9))
    assert not order.ready()
    order.add("b", Passed(0, 10))
    assert [due.at for due in order.ready()] == [10]


def test_a_mark_waits_for_the_emissions_before_it() -> None:
    order = DecisionOrder(1)
    order.add("a", Passed(2, 20))
    order.add("a", judged(0, {"k": Seen(0, 10)}))
    assert not order.ready()
    order.add("a", judged(1, {"k": Seen(10, 20)}))
    assert [due.at for due in order.ready()] == [10, 20]


def test_a_late_window_is_decided_after_the_windows_that_were_emitted_before() -> None:
    order = DecisionOrder(1)
    emissions = [{"k": Seen(0, 10)}, {"k": Seen(10, 20)}, {"k": Seen(0, 10, late=True)}, {"k": Seen(20, 30)}]
    for number, windows in enumerate(emissions):
        order.add("a", judged(number, windows))
    order.add("a", Passed(4, 30))
    assert [(due.at, isinstance(due, Due) and due.late) for due in order.ready()] == [
        (10, False),
        (20, False),
        (20, True),
        (30, False),
    ]


def test_early_events_are_decided_after_the_windows_that_ended_before_they_came() -> None:
    """And before all others, whatever comes first."""
    coming = [early(number, passed, WINDOW, {}) for number, passed in enumerate([0, MINUTE])]
    windows = [judged(number, {"k": Seen(0, (number + 1) * MINUTE)}) for number in range(2)]
    sent: list[Judged | Passed | Early] = [
        Passed(0, 0),
        coming[0],
        windows[0],
        Passed(1, MINUTE, 1),
        coming[1],
        windows[1],
        Passed(2, 2 * MINUTE, 2),
    ]
    expected = [(0, "a", -1), (MINUTE, "a", 0), (MINUTE, "a", -2), (2 * MINUTE, "a", 1)]
    # Windows, early events, and what says how far the group has come, each keep their order.
    for slow in (Judged, Passed, Early, type(None)):
        later = sorted(sent, key=lambda message: isinstance(message, slow))
        assert decided(DecisionOrder(1), [("a", message) for message in later]) == expected
    order = DecisionOrder(1)
    for message in sent[:1] + sent[2:4]:
        order.add("a", message)
    assert order.ready() == []  # the first of the early events has not come
    restarted = DecisionOrder(1, stored(order.snapshot()))
    restarted.add("a", coming[0])
    assert places(restarted.ready()) == expected[:2]


@pytest.mark.parametrize("cut", range(10))
def test_a_restart_changes_nothing(cut: int) -> None:
    messages = interleaved([group("a", [[10], [20], [40]]), group("b", [[20], [30]])], 4)
    before, order = DecisionOrder(2), []
    for name, message in messages[:cut]:
        before.add(name, message)
        order += places(before.ready())
    after = DecisionOrder(2, stored(before.snapshot()))
    assert order + decided(after, messages[cut:]) == decided(DecisionOrder(2), messages)


def test_without_a_common_order_each_emission_is_decided_at_once() -> None:
    order = DecisionOrder(None)
    order.add("a", judged(0, {"k": Seen(0, 50), "j": Seen(0, 10)}))
    assert [due.at for due in order.ready()] == [10, 50]
    before = order.snapshot()
    order.add("a", Passed(1, 60))
    assert order.snapshot() == before
