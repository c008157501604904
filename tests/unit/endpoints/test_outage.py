"""Outages of a server: how long a thread waits, what is reported, and when the waiting ends."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.endpoints.outage import Outage
from dataflow.errors import OutageError


class World:
    """A clock that moves in sleeps alone, and the reports of an outage."""

    def __init__(self, longest: timedelta = timedelta(hours=1)) -> None:
        self.now, self.sleeps = 1000.0, list[float]()
        self.began, self.ended = list[str](), list[tuple[float, int]]()
        self.outage = Outage(
            "Triton at x",
            longest,
            "start it",
            sleep=self.sleep,
            clock=lambda: self.now,
            began=self.began.append,
            ended=lambda seconds, retries: self.ended.append((seconds, retries)),
        )

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@given(st.integers(0, 10_000))
def test_waits_grow_and_are_capped(attempt: int) -> None:
    world = World()
    world.outage.wait("down", attempt)
    full = min(0.1 * 2.0 ** min(attempt, 100), 5.0)
    assert 0.5 * full <= world.sleeps[0] <= full


@given(st.lists(st.integers(0, 5), max_size=6))
def test_each_outage_is_reported_once_at_its_begin_and_once_at_its_end(retries: list[int]) -> None:
    world = World()
    for number, count in enumerate(retries):
        for attempt in range(count):
            world.outage.wait(f"{number}", attempt)
        world.outage.over()
        world.outage.over()
    outages = [(number, count) for number, count in enumerate(retries) if count]
    assert world.began == [f"{number}" for number, _ in outages]
    assert [count for _, count in world.ended] == [count for _, count in outages]
    assert world.outage.count == len(outages)


def test_the_report_of_the_end_says_how_long_the_outage_was() -> None:
    world = World()
    world.outage.wait("down", 0)
    world.now = 1063.04
    world.outage.over()
    assert world.ended == [(63.0, 1)]


def test_an_outage_that_is_too_long_is_an_error_that_says_what_to_do() -> None:
    world = World(timedelta(seconds=60))
    world.outage.wait("down", 0)
    world.now = 1059.0
    world.outage.wait("down", 1)
    world.now, sleeps = 1060.0, len(world.sleeps)
    with pytest.raises(OutageError, match=r"^Triton at x gave no answer for 60 s \(refused\); start it$"):
        world.outage.wait("refused", 2)
    assert len(world.sleeps) == sleeps


def test_a_new_outage_has_the_whole_time() -> None:
    world = World(timedelta(seconds=60))
    for _ in range(3):
        world.outage.wait("down", 0)
        world.now += 59
        world.outage.over()
    assert world.outage.count == 3


def test_threads_share_an_outage() -> None:
    world = World()
    start = threading.Barrier(8)

    def wait() -> None:
        start.wait()
        for attempt in range(50):
            world.outage.wait("down", attempt)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.outage.over()
    assert world.began == ["down"]
    assert [retries for _, retries in world.ended] == [8 * 50]
