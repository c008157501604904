"""The embedder over gRPC against a server of the test's own, which fails on order."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import numpy as np
import pytest
from tritonclient.grpc import service_pb2_grpc

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.null import NullEmbedder
from dataflow.embed.triton.connect import connect
from dataflow.errors import ContractError, OutageError
from dataflow.telemetry.logs import Line
from tests.support.kserve import Code, Server, Time, embedded


@pytest.fixture
def server() -> Iterator[Server]:
    servicer = Server()
    running = grpc.server(ThreadPoolExecutor(4))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(servicer, running)
    servicer.url = f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}"
    running.start()
    yield servicer
    running.stop(None).wait()


@dataclass
class Connected:
    embedder: Embedder
    time: Time
    said: list[str]


@pytest.fixture
def connected(server: Server) -> Iterator[Callable[..., Connected]]:
    opened: list[Embedder] = []

    def make(**options: Any) -> Connected:
        time, said = Time(), list[str]()
        embedder = connect(
            settings.Embed(url=server.url, **options), sleep=time.sleep, clock=time.clock, log=said.append
        )
        opened.append(embedder)
        server.requests.clear()
        return Connected(embedder, time, said)

    yield make
    for embedder in opened:
        embedder.close()


Make = Callable[..., Connected]
TEXTS = [f"text {i}" for i in range(100)]


def expected(texts: Sequence[str]) -> list[list[float]]:
    vectors: list[list[float]] = NullEmbedder(4).embed(texts).vectors.tolist()
    return vectors


@pytest.mark.parametrize("rows", [1, 7, 16, 500])
@pytest.mark.parametrize("in_flight", [1, 3, 50])
def test_answers_come_back_in_order(server: Server, connected: Make, rows: int, in_flight: int) -> None:
    embedder = connected(max_request_rows=rows, max_in_flight=in_flight).embedder
    assert embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    # Neither the client's bound nor the server's is passed.
    assert max(len(request) for request in server.requests) == min(rows, 16)
    assert embedder.embed([]).vectors.shape == (0, 4)


def test_difficult_texts_travel_unchanged(server: Server, connected: Make) -> None:
    texts = ["", "\x00", "a\x00b", "\U0001f600", "ü" * 1_000_000, "\ufffd", " "]
    connected().embedder.embed(texts)
    assert sorted(server.requests, key=len) == [
        ["ü" * 1_000_000],
        ["a\x00b", "\x00", "\U0001f600", "\ufffd", " ", ""],
    ]


def test_the_newest_version_is_pinned_by_number(server: Server, connected: Make) -> None:
    embedder = connected().embedder
    embedder.embed(["a"])
    assert (embedder.model, embedder.version, embedder.dim) == ("sbert", "10", 4)
    assert server.asked_versions == {"10"}


def test_an_outage_is_waited_out_and_told_twice(server: Server, connected: Make) -> None:
    it = connected(max_request_rows=10)
    failures = iter([(Code.UNAVAILABLE, "away")] * 6)
    server.fault = lambda _: next(failures, None)
    assert it.embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    assert it.said[0] == f"Triton at {server.url}: unavailable: away; the flow waits until the server answers"
    assert it.said[1].startswith(f"Triton at {server.url} answers again after")
    away, back = it.said
    assert isinstance(away, Line)
    assert isinstance(back, Line)
    assert (away.name, back.name) == ("server_away", "server_back")
    assert away.fields["cause"] == "unavailable: away"
    assert isinstance(back.fields["retries"], int)
    assert back.fields["retries"] > 0


@pytest.mark.parametrize(
    "code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.INTERNAL, Code.DEADLINE_EXCEEDED]
)
def test_an_outage_that_lasts_too_long_ends_the_flow(server: Server, connected: Make, code: Any) -> None:
    it = connected(max_outage=timedelta(seconds=60))
    server.fault = lambda _: (code, "no luck")
    with pytest.raises(OutageError, match=r"gave no answer for 6\d s .*no luck"):
        it.embedder.embed(TEXTS)
    assert len(it.said) == 1
    # It backs off, with jitter, up to a bound.
    assert it.time.slept[0] <= 0.1
    assert 2.5 <= it.time.slept[-1] <= 5.0
    assert len(it.time.slept) < 40


@pytest.mark.parametrize("code", [Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN, Code.DEADLINE_EXCEEDED])
@pytest.mark.parametrize("bad", [{0}, {99}, {3, 4, 50}])
def test_the_rows_at_fault_are_found_and_no_others(
    server: Server, connected: Make, code: Any, bad: set[int]
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


def test_a_request_too_slow_as_a_whole_passes_in_halves(server: Server, connected: Make) -> None:
    it = connected()
    server.fault = lambda texts: (Code.DEADLINE_EXCEEDED, "slow") if len(texts) > 5 else None
    answer = it.embedder.embed(TEXTS)
    assert answer.failed == {}
    assert answer.vectors.tolist() == expected(TEXTS)


def test_a_row_refused_once_by_a_server_in_trouble_is_not_lost(server: Server, connected: Make) -> None:
    it = connected()
    failures = iter([(Code.UNAVAILABLE, "restarting"), (Code.INTERNAL, "stub died")])
    server.fault = lambda _: next(failures, None)
    assert it.embedder.embed(["a"]).failed == {}


def test_an_answer_that_is_not_finite_fails_its_row_alone(server: Server, connected: Make) -> None:
    server.nan = TEXTS[42]
    answer = connected().embedder.embed(TEXTS)
    assert list(answer.failed) == [42]
    assert np.isfinite(np.delete(answer.vectors, 42, axis=0)).all()


def test_another_dimension_at_run_time_is_a_broken_contract(server: Server, connected: Make) -> None:
    it = connected()
    server.dim = 5
    with pytest.raises(ContractError, match=r"answered FP32 \[1, 5\] for 1 texts, agreed was FP32 \[1, 4\]"):
        it.embedder.embed(["a"])


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.UNIMPLEMENTED, Code.INVALID_ARGUMENT])
def test_a_server_that_refuses_everything_breaks_the_contract(
    server: Server, connected: Make, code: Any
) -> None:
    it = connected()
    server.fault = lambda _: (code, "not here")
    with pytest.raises(ContractError, match=r"sbert version 10 refused a request: .*not here"):
        it.embedder.embed(TEXTS)


def test_an_unknown_model_is_refused_at_the_start(connected: Make) -> None:
    with pytest.raises(ContractError, match=r"no usable model 'other': .*DRIFTLINE_EMBED__MODEL"):
        connected(model="other")


def test_another_dimension_is_refused_at_the_start(connected: Make) -> None:
    with pytest.raises(ContractError, match="gives 4 dimensions, DRIFTLINE_EMBED__DIM asks for 768"):
        connected(dim=768)


OLD, NEW = "0dd" + "a" * 61, "4e3" + "b" * 61


def test_a_model_that_says_what_it_is_is_known_and_pinned_by_it(server: Server, connected: Make) -> None:
    server.sha256 = OLD
    embedder = connected().embedder
    assert embedder.version == embedder.embed(["a"]).version == "10+0ddaaaaaaaaa"
    assert connected(version="9+0dda").embedder.version == "9+0ddaaaaaaaaa"
    with pytest.raises(ContractError, match=r"version 9 at .* is small fp32 .*VERSION asks for 4e3b"):
        connected(version="9+4e3b")
    server.sha256 = ""
    with pytest.raises(ContractError, match="does not say which model it is"):
        connected(version="9+0dda")


def test_another_model_than_the_repository_holds_is_refused_at_the_start(
    server: Server, connected: Make, tmp_path: Path
) -> None:
    spec = tmp_path / "sbert_encoder" / "10" / "spec.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"name": "small", "precision": "fp32", "dim": 4, "sha256": NEW}))
    server.sha256 = NEW
    assert connected(repository=tmp_path).embedder.version == "10+4e3bbbbbbbbb"
    assert connected(repository=tmp_path, version="9").embedder.version == "9+4e3bbbbbbbbb"
    server.sha256 = OLD
    with pytest.raises(ContractError, match=r"of sha256 0ddaaaaaaaaa, embed.repository holds .*4e3bbbbbbbbb"):
        connected(repository=tmp_path)


def test_answers_to_other_requests_are_noticed_though_they_look_well(server: Server, connected: Make) -> None:
    server.sha256 = OLD
    embedder = connected(max_request_rows=10, max_in_flight=1).embedder
    assert embedder.embed(TEXTS).vectors.tolist() == expected(TEXTS)
    server.late = True
    server.ModelInfer(embedded(TEXTS[:10]), None)
    with pytest.raises(ContractError, match=r"answered for other texts than it was asked; start the server"):
        embedder.embed(TEXTS)


def test_a_model_exported_anew_under_its_number_is_not_taken_for_the_old_one(
    server: Server, connected: Make
) -> None:
    server.sha256 = OLD
    pinned = connected(max_request_rows=10).embedder
    following = connected(max_request_rows=10, follow=True, follow_interval=timedelta(hours=1))
    # In the midst of the requests of one call.
    server.fault = lambda _: setattr(server, "sha256", NEW) if len(server.requests) > 3 else None
    with pytest.raises(ContractError, match=r"sbert version 10\+0ddaaaaaaaaa refused .*it is now another"):
        pinned.embed(TEXTS)
    answer = following.embedder.embed(TEXTS)
    assert answer.version == following.embedder.version == "10+4e3bbbbbbbbb"
    assert answer.vectors.tolist() == expected(TEXTS)
    assert following.said == ["sbert: version 10+4e3bbbbbbbbb from now on, it was 10+0ddaaaaaaaaa"]


def test_a_model_without_versions_is_refused_at_the_start(server: Server, connected: Make) -> None:
    server.versions = ()
    with pytest.raises(ContractError, match="has no version with a number"):
        connected()


def test_other_tensors_are_refused_at_the_start(server: Server, connected: Make) -> None:
    server.datatype = "FP16"
    with pytest.raises(ContractError, match=r"needed are TEXT .* and EMBEDDING"):
        connected()


def test_the_start_waits_for_a_model_that_is_not_ready_yet(server: Server, connected: Make) -> None:
    failures = iter([(Code.UNAVAILABLE, "Request for unknown model: 'sbert_encoder'")] * 3)
    server.fault = lambda _: next(failures, None)
    it = connected()
    assert len(it.time.slept) == 3
    assert len(it.said) == 1
    assert it.said[0].startswith(f"waiting for Triton at {server.url}: unavailable")


def test_no_server_is_one_line_that_says_what_to_do() -> None:
    time = Time()
    options = settings.Embed(url="127.0.0.1:1", startup_timeout=timedelta(seconds=3))
    with pytest.raises(
        OutageError,
        match=r"Triton at 127.0.0.1:1 does not answer \(connection refused\); "
        "start it with `make sidecar` or set DRIFTLINE_EMBED__URL",
    ):
        connect(options, sleep=time.sleep, clock=time.clock, log=lambda _: None)
    assert time.now == pytest.approx(3, abs=0.3)
