"""The limit of the open requests finds the server's best rate, with few requests that only wait."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.embed.triton.concurrency import Concurrency, levels
from tests.support.busy_server import CHARS, Clients, Slots, Together

MOST = 64
SEEDS = pytest.mark.parametrize("seed", range(3))


@SEEDS
@pytest.mark.parametrize(
    ("slots", "seconds", "travel"),
    [(1, 0.01, 0), (1, 0.01, 0.02), (2, 0.01, 0.001), (4, 0.01, 0.001), (8, 0.01, 0.01), (16, 0.01, 0.005)],
)
def test_the_server_is_busy_and_few_requests_wait(
    slots: int, seconds: float, travel: float, seed: int
) -> None:
    limit, server = Concurrency(MOST), Slots(slots, seconds, travel)
    clients = Clients([limit], seed)
    clients.run(server, 3000)
    assert clients.run(server, 3000) > 0.85 * server.most
    #: With so many open requests, no slot is ever free.
    enough = slots * (1 + travel / seconds)
    assert limit.limit <= 2 * math.ceil(enough) + 1


@SEEDS
def test_a_server_without_limits_gets_the_most(seed: int) -> None:
    limit = Concurrency(MOST)
    Clients([limit], seed).run(Slots(1000, 0.01), 12_000)
    assert limit.limit >= levels(MOST)[-3]


@SEEDS
def test_a_server_that_computes_requests_together_gets_more_of_them(seed: int) -> None:
    one, server = Concurrency(1), Together(0.01, 0.0005)
    alone = Clients([one], seed).run(server, 1000)
    clients = Clients([Concurrency(MOST)], seed)
    clients.run(server, 3000)
    assert clients.run(server, 3000) > 8 * alone


@SEEDS
def test_the_limit_follows_the_server(seed: int) -> None:
    limit, server = Concurrency(MOST), Slots(8, 0.01, 0.002)
    clients = Clients([limit], seed)
    for slots in (8, 1, 8):
        server.slots = slots
        clients.run(server, 3000)
        assert clients.run(server, 1000) > 0.8 * server.most
        assert limit.limit <= 3 * slots


@SEEDS
def test_a_server_that_gets_slower_is_no_queue(seed: int) -> None:
    limit, server = Concurrency(MOST), Slots(4, 0.01, 0.002)
    clients = Clients([limit], seed)
    clients.run(server, 3000)
    server.seconds = 0.1
    clients.run(server, 3000)
    assert clients.run(server, 1000) > 0.8 * server.most


@SEEDS
def test_longer_texts_are_no_queue(seed: int) -> None:
    limit, server = Concurrency(MOST), Slots(8, 0.01)
    clients = Clients([limit], seed)
    clients.run(server, 3000)
    clients.size = 20.0
    clients.run(server, 40)
    assert clients.run(server, 500) > 0.8 * server.most / clients.size
    assert limit.limit >= 6


@SEEDS
@pytest.mark.parametrize("n", [2, 5, 10])
def test_clients_of_one_server_keep_no_long_queue_and_none_starves(n: int, seed: int) -> None:
    limits = [Concurrency(MOST) for _ in range(n)]
    clients, server = Clients(limits, seed), Slots(4, 0.01, 0.002)
    assert clients.run(server, 2000 * n) > 0.9 * server.most
    assert sum(limit.limit for limit in limits) < MOST * n / 2
    assert min(clients.answered) > 2000 / 5


def test_equal_bounds_keep_the_number() -> None:
    limit = Concurrency(5, 5)
    Clients([limit], 0).run(Slots(50, 0.01), 500)
    limit.overloaded(5)
    assert limit.limit == 5


@given(st.integers(1, 200), st.integers(1, 200), st.data())
def test_the_limit_stays_within_its_bounds(least: int, more: int, data: st.DataObject) -> None:
    limit = Concurrency(least + more, least)
    for _ in range(data.draw(st.integers(0, 60))):
        time = data.draw(st.floats(1e-6, 1e3))
        before = limit.limit
        if data.draw(st.booleans()):
            limit.overloaded(before)
            assert limit.limit == before == least or limit.limit < before
        for _ in range(8 + 2 * before):
            limit.answered(limit.limit, CHARS, time)
        assert least <= limit.limit <= least + more


def test_a_burst_of_refusals_counts_once_and_other_limits_do_not_count() -> None:
    limit = Concurrency(MOST)
    Clients([limit], 0).run(Slots(1000, 0.01), 3000)
    high = limit.limit
    for _ in range(5):
        limit.overloaded(high)
        limit.overloaded(0)
    assert limit.limit == max(level for level in levels(MOST) if level < high)
