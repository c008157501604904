"""The order in which the windows of key groups are decided."""

import random

import pytest

from dataflow.alert.order import DecisionOrder
from dataflow.items.judged import Judged, Passed
from tests.support.judged import Seen, judged
from tests.support.plain import stored

Message = tuple[str, Judged | Passed]


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
    return [(due.at, due.group, due.judged.emission) for due in found + order.rest()]


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
    assert [(due.at, due.late) for due in order.ready()] == [
        (10, False),
        (20, False),
        (20, True),
        (30, False),
    ]


@pytest.mark.parametrize("cut", range(10))
def test_a_restart_changes_nothing(cut: int) -> None:
    messages = interleaved([group("a", [[10], [20], [40]]), group("b", [[20], [30]])], 4)
    before, order = DecisionOrder(2), []
    for name, message in messages[:cut]:
        before.add(name, message)
        order += [(due.at, due.group, due.judged.emission) for due in before.ready()]
    after = DecisionOrder(2, stored(before.snapshot()))
    assert order + decided(after, messages[cut:]) == decided(DecisionOrder(2), messages)


def test_without_a_common_order_each_emission_is_decided_at_once() -> None:
    order = DecisionOrder(None)
    order.add("a", judged(0, {"k": Seen(0, 50), "j": Seen(0, 10)}))
    assert [due.at for due in order.ready()] == [10, 50]
    before = order.snapshot()
    order.add("a", Passed(1, 60))
    assert order.snapshot() == before
