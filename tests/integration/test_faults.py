"""The embedder against a real Triton with a model that fails when the test wants it to fail."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dataflow import settings
from dataflow.embed.base import Embedder
from dataflow.embed.triton.connect import connect
from dataflow.errors import ContractError, OutageError
from export.serve.sidecar import Sidecar
from tests.support import faulty_model
from tests.support.flows import FLOW, environment
from tests.support.ports import free_port

pytestmark = pytest.mark.integration

TEXTS = [f"text {i}" for i in range(200)]
Connect = Callable[..., Embedder]


@pytest.fixture(scope="module")
def server(sidecar_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sidecar]:
    folder = tmp_path_factory.mktemp("faulty")
    root = faulty_model.repository(folder / "repository", 1)
    with Sidecar(root, venv=sidecar_venv, models=["sbert"], log=folder / "log") as sidecar:
        yield sidecar


@pytest.fixture
def fault(server: Sidecar) -> Iterator[Path]:
    """The file that tells the model how to fail. Without the file the model works."""
    path = server.repository / "fault"
    yield path
    path.unlink(missing_ok=True)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def open_embedder(server: Sidecar, said: list[str]) -> Iterator[Connect]:
    opened: list[Embedder] = []

    def make(repair: Callable[[], None] | None = None, **options: Any) -> Embedder:
        """``repair`` is called when the embedder has logged the outage."""

        def log(line: str) -> None:
            said.append(line)
            if repair and len(said) == 1:
                repair()

        embedder = connect(settings.Embed(url=server.url, max_request_rows=20, **options), log=log)
        opened.append(embedder)
        return embedder

    yield make
    for embedder in opened:
        embedder.close()


def expect_all(embedder: Embedder, texts: list[str]) -> None:
    answer = embedder.embed(texts)
    assert answer.failed == {}
    np.testing.assert_array_equal(answer.vectors, faulty_model.vectors(texts, 1))


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_server_that_crashed_is_started_again(sidecar_venv: Path, repository: Path, tmp_path: Path) -> None:
    """Triton crashes when a stub of its Python backend gets no CPU for a second."""
    ports = [str(free_port()) for _ in range(3)]
    names = ("--grpc-port", "--http-port", "--metrics-port")
    command = [sys.executable, "-m", "export", "sidecar", "--repository", str(repository)]
    command += ["--venv", str(sidecar_venv), "--log", str(tmp_path / "log")]
    command += [word for pair in zip(names, ports, strict=True) for word in pair]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith("ready")
        embedder = connect(settings.Embed(url=f"127.0.0.1:{ports[0]}", repository=repository), log=print)
        try:
            before = embedder.embed(TEXTS)
            (supervisor,) = children(running.pid)
            (server,) = children(supervisor)
            os.kill(server, signal.SIGKILL)
            np.testing.assert_array_equal(embedder.embed(TEXTS).vectors, before.vectors)
        finally:
            embedder.close()
            running.terminate()
    assert running.returncode == 0


def test_slower_than_the_deadline_for_a_while(fault: Path, open_embedder: Connect, said: list[str]) -> None:
    embedder = open_embedder(fault.unlink, request_timeout=timedelta(seconds=1))
    fault.write_text("slow 1.5")
    expect_all(embedder, TEXTS)
    assert "deadline exceeded" in said[0]
    assert "answers again" in said[-1]


def test_out_of_memory_for_large_requests_only(fault: Path, open_embedder: Connect, said: list[str]) -> None:
    embedder = open_embedder()
    fault.write_text("oom 6")
    expect_all(embedder, TEXTS)
    assert said == []


def test_out_of_memory_for_a_while(fault: Path, open_embedder: Connect, said: list[str]) -> None:
    embedder = open_embedder(fault.unlink)
    fault.write_text("oom")
    expect_all(embedder, TEXTS)
    assert "out of memory; the flow waits" in said[0]


def test_out_of_memory_for_good(fault: Path, open_embedder: Connect) -> None:
    embedder = open_embedder(max_outage=timedelta(seconds=1))
    fault.write_text("oom")
    with pytest.raises(OutageError, match="out of memory"):
        embedder.embed(TEXTS)


def test_nan_for_one_text_fails_it_alone(open_embedder: Connect) -> None:
    texts = [*TEXTS[:70], "poison", *TEXTS[70:]]
    answer = open_embedder().embed(texts)
    assert answer.failed == {70: "sbert refused it: the model's answer is not finite"}
    np.testing.assert_array_equal(np.delete(answer.vectors, 70, axis=0), faulty_model.vectors(TEXTS, 1))


@pytest.mark.parametrize(("kind", "why"), [("nan", "not finite"), ("long", "has length 2")])
def test_nonsense_for_all_texts_breaks_the_contract(
    fault: Path, open_embedder: Connect, kind: str, why: str
) -> None:
    embedder = open_embedder()
    fault.write_text(kind)
    with pytest.raises(ContractError, match=rf"sbert version 1 is broken: .*{why}"):
        embedder.embed(TEXTS)
    if kind == "nan":
        with pytest.raises(ContractError, match="is broken"):
            open_embedder()


def test_messages_larger_than_grpc_allows_by_default(open_embedder: Connect) -> None:
    texts = ["long " * 1_500_000, *(f"{i} " + "x" * 300_000 for i in range(40))]
    expect_all(open_embedder(max_request_chars=10_000_000), texts)


def test_threads_share_an_embedder_through_an_outage(fault: Path, open_embedder: Connect) -> None:
    embedder = open_embedder(fault.unlink)
    fault.write_text("oom")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: expect_all(embedder, TEXTS[n:]), range(8)))


def test_the_log_of_a_flow_in_trouble_has_neither_texts_nor_secrets(
    server: Sidecar, fault: Path, tmp_path: Path
) -> None:
    event = {"id": "1", "host": "a", "ts": "2026-01-01T00:00:00Z"}
    texts = ["aardvark", "poison"]
    (tmp_path / "0.jsonl").write_text("".join(json.dumps(event | {"text": t}) + "\n" for t in texts))
    embed = {"KIND": "triton", "URL": server.url, "DIM": str(faulty_model.DIM)}
    settings = {f"DRIFTLINE_EMBED__{name}": value for name, value in embed.items()}
    settings |= {"DRIFTLINE_LOG__FORMAT": "json", "DRIFTLINE_KAFKA__SASL_PASSWORD": "hunter2"}
    command = [sys.executable, "-m", "bytewax.run", FLOW]
    fault.write_text("oom")
    env, told = environment(tmp_path, **settings), []
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as flow:
        assert flow.stderr
        for line in flow.stderr:
            told.append(json.loads(line))
            if told[-1]["event"] == "server_awaited":
                fault.unlink()
    assert flow.returncode == 0, told
    assert {"server_awaited", "start", "dead_letters", "stop"} <= {each["event"] for each in told}
    (letter,) = (each for each in told if each["event"] == "dead_letter")
    assert letter["reason"] == "embedding"
    assert not [each for each in ("aardvark", "poison", "hunter2") if each in json.dumps(told)]
