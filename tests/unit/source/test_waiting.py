"""A worker waits once a round of its idle partitions, never while one has records, by no wall clock."""

from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from dataflow.source.waiting import WAIT_S, WaitOncePerRound


def waits(idle: WaitOncePerRound, polls: list[tuple[str, bool]]) -> list[float]:
    """How long each of ``polls``, a partition and whether it finds records, may wait."""
    seconds: list[float] = []

    def read(found: bool, wait_s: float) -> bool:
        seconds.append(wait_s)
        return found

    for partition, found in polls:
        assert idle.poll(partition, lambda wait_s, found=found: read(found, wait_s)) is found  # type: ignore[misc]
    return seconds


@given(st.integers(1, 6), st.integers(1, 5))
def test_idle_partitions_wait_once_a_round(partitions: int, rounds: int) -> None:
    polls = [(str(number), False) for number in range(partitions)]
    seconds = waits(WaitOncePerRound(), polls * (rounds + 1))
    assert sum(seconds) == rounds * WAIT_S or abs(sum(seconds) - rounds * WAIT_S) < 1e-9
    assert seconds[:partitions] == [0] * partitions


@given(st.integers(2, 6), st.integers(1, 5))
def test_nobody_waits_while_a_partition_has_records(partitions: int, rounds: int) -> None:
    polls = [(str(number), number == 0) for number in range(partitions)]
    assert set(waits(WaitOncePerRound(), polls * rounds)) == {0}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=30))
def test_no_partition_waits_unless_it_was_found_empty_before(polls: list[tuple[str, bool]]) -> None:
    for at, wait_s in enumerate(waits(WaitOncePerRound(), polls)):
        if wait_s:
            partition, _ = polls[at]
            last = max(i for i in range(at) if polls[i][0] == partition)
            assert not any(found for _, found in polls[last:at])


def test_workers_do_not_mind_each_other() -> None:
    idle = WaitOncePerRound()
    waits(idle, [("a", False)])
    found: list[float] = []
    other = Thread(target=lambda: found.extend(waits(idle, [("a", False)])))
    other.start()
    other.join()
    assert found == [0]
