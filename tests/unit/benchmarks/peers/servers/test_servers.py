"""How encoders are measured: what each is asked, in which order the answers come, and what is counted."""

import base64
import json
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.kit.figures import Figure
from benchmarks.peers.processes import started
from benchmarks.peers.servers.encoders import Answer, Encoder, Library, Server, Vectors
from benchmarks.peers.servers.lineup import SIDECAR, once
from benchmarks.peers.servers.measured import (
    REPEATS,
    Measured,
    figures_of,
    new_share,
    one_by_one,
    race,
    repeated,
    repeating,
)
from benchmarks.peers.servers.openai_client import OpenAIClient
from tests.support.paths import ROOT

TEXTS = [f"text {number}" for number in range(10)]


def embedded(texts: Sequence[str]) -> Vectors:
    """A vector that says which text it is of."""
    return np.array([[float(text.split()[-1]), len(text)] for text in texts], np.float32)


class Recorded(Encoder):
    """Takes 1 s for each call and 2 s of CPU for each text, and remembers the calls."""

    def __init__(self, calls: list[tuple[str, bool]], name: str) -> None:
        super().__init__(leader=0)
        self._calls, self._name = calls, name

    @property
    def bytes(self) -> int:
        return 1000

    def embed(self, texts: Sequence[str], *, alone: bool = False) -> Answer:
        self._calls.append((self._name, alone))
        calls = len(texts) if alone else 1
        return Answer(embedded(texts), [1.0] * calls, 2.0 * len(texts))


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.servers.measured._PAUSE_S", 0)


def test_encoders_take_turns_and_the_first_round_is_not_counted() -> None:
    calls: list[tuple[str, bool]] = []
    encoders = {name: Recorded(calls, name) for name in "ab"}
    measured = race(encoders, [TEXTS[:3], TEXTS[3:6], TEXTS[6:9]])
    assert [name for name, _ in calls] == ["a", "b"] * 3
    assert measured == {name: Measured([1.0, 1.0], [6.0, 6.0], bytes=1000) for name in "ab"}


def test_the_latency_is_that_of_each_text_alone_after_a_warm_up() -> None:
    calls: list[tuple[str, bool]] = []
    measured = {"a": Measured()}
    vectors = one_by_one({"a": Recorded(calls, "a")}, TEXTS, measured)
    assert calls == [("a", True)] * 2
    assert measured["a"].alone_s == [1.0] * 10
    assert vectors["a"].tolist() == embedded(TEXTS).tolist()


@given(st.lists(st.text(max_size=5), min_size=1, unique=True), st.integers(1, 400), st.integers(0, 5))
def test_a_repeated_stream_has_each_text_and_the_first_one_most_often(
    texts: list[str], count: int, seed: int
) -> None:
    found = repeated(texts, count, seed)
    assert len(found) == count
    assert set(found) == set(texts[:count])
    assert found == repeated(texts, count, seed)


def test_texts_repeat_by_zipfs_law() -> None:
    counts = Counter(repeated(TEXTS, 20_000, seed=1))
    harmonic = sum(1 / rank for rank in range(1, 11))
    for rank, text in enumerate(TEXTS, 1):
        assert counts[text] / 20_000 == pytest.approx(1 / rank / harmonic, rel=0.15)


@given(st.integers(2, 4), st.integers(2, 50))
def test_texts_repeat_within_a_round_and_from_round_to_round(rounds: int, size: int) -> None:
    texts = [[f"text {size * number + i}" for i in range(size)] for number in range(rounds)]
    again = repeating(texts)
    assert [*map(len, again)] == [size] * rounds
    found = [text for each in again for text in each]
    assert len(set(found)) == max(1, size * rounds // REPEATS)
    known, new = set(again[0]), 0
    for text in found[size:]:
        new += text not in known
        known.add(text)
    assert new_share(again) == new / (size * (rounds - 1))


def test_equal_texts_of_a_call_are_embedded_once() -> None:
    asked: list[list[str]] = []

    class Asked:
        def embed(self, texts: list[str]) -> SimpleNamespace:
            asked.append(texts)
            return SimpleNamespace(vectors=embedded(texts))

    texts = [TEXTS[3], TEXTS[1], TEXTS[3], TEXTS[3], TEXTS[0], TEXTS[1]]
    assert once(Asked(), texts).tolist() == embedded(texts).tolist()  # type: ignore[arg-type]
    assert asked == [[TEXTS[3], TEXTS[1], TEXTS[0]]]


def test_figures_compare_the_sidecar_with_each_and_its_cache_only_on_texts_that_repeat() -> None:
    different = {SIDECAR: Measured([1.0], difference=1e-7), "peer": Measured([3.0])}
    repeats = {
        SIDECAR: Measured([1.0]),
        "peer": Measured([3.0]),
        f"{SIDECAR}, its cache": Measured([0.5]),
        "peer, its cache": Measured([2.0]),
    }
    found = {figure.name: figure for figure in figures_of("fp32", different, repeats)}
    cache = f"fp32, repeated texts: {SIDECAR}, its cache"
    assert {name: figure.value for name, figure in found.items()} == {
        f"fp32: {SIDECAR} / peer, texts/s": 3.0,
        f"{cache} / peer, texts/s": 6.0,
        f"{cache} / peer, its cache, texts/s": 4.0,
        f"fp32: {SIDECAR} and sentence-transformers, largest difference of a component": 1e-7,
    }
    assert [figure.name for figure in found.values() if figure.met is not None] == [[*found][-1]]
    plain = {name: repeats[name] for name in (SIDECAR, "peer")}
    assert [type(figure) for figure in figures_of("bf16", different, plain)] == [Figure, Figure]


def test_a_server_is_asked_once_for_all_texts_or_once_for_each() -> None:
    asked: list[list[str]] = []

    def send(texts: Sequence[str]) -> Vectors:
        asked.append(list(texts))
        return embedded(texts)

    server = Server(leader=0, send=send)
    together, alone = server.embed(TEXTS), server.embed(TEXTS, alone=True)
    assert asked == [TEXTS, *([text] for text in TEXTS)]
    assert (len(together.seconds), len(alone.seconds)) == (1, 10)
    assert together.vectors.tolist() == alone.vectors.tolist() == embedded(TEXTS).tolist()


@contextmanager
def openai_server(closes: bool, status: int = 200) -> Iterator[tuple[int, list[list[str]]]]:
    """A server that answers in another order. ``closes``: each connection after one answer, unannounced."""
    asked: list[list[str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(request["input"])
            coded = [base64.b64encode(each.tobytes()).decode() for each in embedded(request["input"])]
            rows = [{"index": number, "embedding": each} for number, each in enumerate(coded)]
            body = json.dumps({"data": rows[::-1]}).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = closes

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("closes", [False, True])
def test_the_client_cuts_requests_and_puts_answers_in_order(closes: bool) -> None:
    with openai_server(closes) as (port, asked), OpenAIClient(port, "/embeddings", 3, in_flight=2) as client:
        for _ in range(3):
            assert client.embed(TEXTS).tolist() == embedded(TEXTS).tolist()
        assert client.embed(TEXTS[:1]).tolist() == embedded(TEXTS[:1]).tolist()
    assert sorted(map(len, asked)) == [1] * 4 + [3] * 9
    assert Counter(text for texts in asked for text in texts) == Counter(TEXTS * 3 + TEXTS[:1])


def test_a_server_that_refuses_is_an_error() -> None:
    with (
        openai_server(closes=False, status=400) as (port, _),
        OpenAIClient(port, "/embeddings", 3, in_flight=1) as client,
        pytest.raises(RuntimeError, match="/embeddings answers 400"),
    ):
        client.embed(TEXTS)


@contextmanager
def library(tmp_path: Path, body: str) -> Iterator[Library]:
    """``body`` defines ``embed``; what it prints must not disturb the answers."""
    program = tmp_path / "program.py"
    shared = "from benchmarks.peers.servers.programs.library import answer"
    text = f"{shared}\n{textwrap.dedent(body)}\nanswer(embed)\n"
    program.write_text(text)
    log = tmp_path / "library.log"
    env = {"PYTHONPATH": str(ROOT)}
    with started([sys.executable, str(program)], env, log, pipes=True) as process:
        yield Library(process, log)


def test_a_library_answers_through_its_pipe(tmp_path: Path) -> None:
    body = """
    def embed(texts):
        print("noise of the library", flush=True)
        return [[float(text.split()[-1]), len(text)] for text in texts]
    """
    with library(tmp_path, body) as found:
        together, alone = found.embed(TEXTS), found.embed(TEXTS, alone=True)
    assert (len(together.seconds), len(alone.seconds)) == (1, 10)
    assert together.vectors.tolist() == alone.vectors.tolist() == embedded(TEXTS).tolist()
    assert (tmp_path / "library.log").read_text().count("noise") == 11


def test_the_error_of_a_library_is_shown(tmp_path: Path) -> None:
    body = "def embed(texts): raise ValueError('no such model')"
    with (
        library(tmp_path, body) as found,
        pytest.raises(RuntimeError, match="ValueError: no such model"),
    ):
        found.embed(TEXTS)
