"""The embedder over gRPC: outages are waited out, and only the texts at fault fail."""

from collections import Counter
from datetime import timedelta
from time import sleep
from typing import Any

import numpy as np
import pytest

from dataflow.embed.triton.concurrency import Concurrency
from dataflow.embed.triton.embedder import TritonEmbedder
from dataflow.errors import ContractError, OutageError
from dataflow.telemetry.logs import Line
from tests.support.kserve import TEXTS, Code, Connect, Server, embedded, expected, running


@pytest.mark.parametrize("rows", [1, 7, 16, 500])
@pytest.mark.parametrize("in_flight", [1, 3, 50])
def test_answers_come_back_in_order(server: Server, connected: Connect, rows: int, in_flight: int) -> None:
    embedder = connected(max_request_rows=rows, max_in_flight=in_flight).embedder
    assert embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    # Neither the client's bound nor the server's is passed.
    assert max(len(request) for request in server.requests) == min(rows, 16)
    assert embedder.embed([]).vectors.shape == (0, 4)


class Fixed(Concurrency):
    """Keeps what it is told."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit, limit)
        self.told: list[tuple[str, int, int]] = []

    def answered(self, limit: int, chars: int, seconds: float) -> None:
        assert seconds > 0
        self.told.append(("answered", limit, chars))

    def overloaded(self, limit: int) -> None:
        self.told.append(("overloaded", limit, 0))


def test_each_request_that_reaches_the_limit_says_how_the_server_took_it(
    server: Server, connected: Connect
) -> None:
    embedder = connected(max_request_rows=10).embedder
    assert isinstance(embedder, TritonEmbedder)
    fixed = embedder._connection.concurrency = Fixed(3)
    refused = [TEXTS[49]]
    server.fault = lambda texts: (Code.RESOURCE_EXHAUSTED, "full") if refused and refused.pop() else None
    embedder.embed(TEXTS)
    # The first two requests leave room for a third one, and the one that is sent again is outside the limit.
    counted = Counter((what, limit) for what, limit, _ in fixed.told)
    assert counted["answered", 3] + counted["overloaded", 3] == 8
    assert counted["overloaded", 3] + counted["overloaded", 0] == 1
    assert sum(chars for _, _, chars in fixed.told) >= sum(map(len, TEXTS))


def test_an_outage_is_waited_out_and_logged_twice(server: Server, connected: Connect) -> None:
    it = connected(max_request_rows=10)
    failures = iter([(Code.UNAVAILABLE, "no route")] * 6)
    server.fault = lambda _: next(failures, None)
    assert it.embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    began, ended = it.logged
    triton = f"Triton at {server.url}"
    assert began == f"{triton}: unavailable: no route; the flow waits until the server answers"
    assert ended.startswith(f"{triton} answers again after")
    assert isinstance(began, Line)
    assert isinstance(ended, Line)
    assert (began.name, ended.name) == ("server_away", "server_back")
    assert began.fields["cause"] == "unavailable: no route"
    assert isinstance(ended.fields["retries"], int)
    assert ended.fields["retries"] > 0


@pytest.mark.parametrize(
    "code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.DEADLINE_EXCEEDED]
)
def test_an_outage_that_lasts_too_long_ends_the_flow(server: Server, connected: Connect, code: Any) -> None:
    it = connected(max_outage=timedelta(seconds=60))
    server.fault = lambda _: (code, "no luck")
    with pytest.raises(OutageError, match=r"gave no answer for 6\d s .*no luck"):
        it.embedder.embed(TEXTS)
    assert len(it.logged) == 1
    # It backs off, with jitter, up to a bound.
    assert it.time.slept[0] <= 0.1
    assert 2.5 <= it.time.slept[-1] <= 5.0
    assert len(it.time.slept) < 40


@pytest.mark.parametrize("code", sorted(set(Code) - {Code.OK}, key=str))
def test_no_failure_of_the_whole_server_makes_dead_letters(
    server: Server, connected: Connect, code: Any
) -> None:
    it = connected(max_outage=timedelta(seconds=1))
    server.fault = lambda _: (code, "no luck")
    with pytest.raises((OutageError, ContractError), match="no luck"):
        it.embedder.embed(TEXTS)


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN, Code.DEADLINE_EXCEEDED])
@pytest.mark.parametrize("bad", [{0}, {99}, {3, 4, 50}])
def test_the_rows_at_fault_are_found_and_no_others(
    server: Server, connected: Connect, code: Any, bad: set[int]
) -> None:
    it = connected(max_request_rows=16)
    poison = {TEXTS[row] for row in bad}
    server.fault = lambda texts: (code, "cannot embed this") if poison & set(texts) else None
    answer = it.embedder.embed(TEXTS)
    assert set(answer.failed) == bad
    assert all("cannot embed this" in why for why in answer.failed.values())
    good = [row for row in range(100) if row not in bad]
    assert answer.vectors[good].tolist() == expected([TEXTS[row] for row in good])
    assert it.time.slept == []


def test_a_request_too_slow_as_a_whole_passes_in_halves(server: Server, connected: Connect) -> None:
    it = connected()
    server.fault = lambda texts: (Code.DEADLINE_EXCEEDED, "slow") if len(texts) > 5 else None
    answer = it.embedder.embed(TEXTS)
    assert answer.failed == {}
    assert answer.vectors.tolist() == expected(TEXTS)


def test_a_row_refused_once_by_a_server_in_trouble_is_not_lost(server: Server, connected: Connect) -> None:
    it = connected()
    failures = iter([(Code.UNAVAILABLE, "restarting"), (Code.INTERNAL, "stub died")])
    server.fault = lambda _: next(failures, None)
    assert it.embedder.embed(["a"]).failed == {}


def test_an_answer_that_is_not_finite_fails_its_row_alone(server: Server, connected: Connect) -> None:
    server.nan = TEXTS[42]
    answer = connected().embedder.embed(TEXTS)
    assert list(answer.failed) == [42]
    assert np.isfinite(np.delete(answer.vectors, 42, axis=0)).all()


def test_another_dimension_at_run_time_is_a_broken_contract(server: Server, connected: Connect) -> None:
    it = connected()
    server.dim = 5
    with pytest.raises(ContractError, match=r"answered FP32 \[1, 5\] for 1 texts, agreed was FP32 \[1, 4\]"):
        it.embedder.embed(["a"])


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.INVALID_ARGUMENT])
def test_a_server_that_refuses_everything_breaks_the_contract(
    server: Server, connected: Connect, code: Any
) -> None:
    it = connected()
    server.fault = lambda _: (code, "not here")
    with pytest.raises(ContractError, match=r"sbert version 10 refused a request: .*not here"):
        it.embedder.embed(TEXTS)


def test_an_answer_to_another_request_is_an_error(server: Server, connected: Connect) -> None:
    server.sha256 = "0dd" + "a" * 61
    embedder = connected(max_request_rows=10, max_in_flight=1).embedder
    assert embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    server.late = True
    server.ModelInfer(embedded(TEXTS[:10]), None)
    with pytest.raises(ContractError, match=r"answered for other texts than it was asked; start the server"):
        embedder.embed(TEXTS)


def test_requests_go_to_all_addresses_in_turn(server: Server, connected: Connect) -> None:
    with running() as other:
        # What a name with two addresses resolves to, without a name server.
        url = "ipv4:" + ",".join([server.url, other.url])
        embedder = connected(url=url, max_request_rows=5, channels=1).embedder
        other.requests.clear()
        # Until both are connected, one gets all requests.
        for _ in range(200):
            assert embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
            if server.requests and other.requests:
                break
            sleep(0.05)
        server.requests.clear()
        other.requests.clear()
        embedder.embed(TEXTS)
        assert len(server.requests) == len(other.requests) == 10
        embedder.close()
