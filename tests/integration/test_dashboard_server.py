"""The page's server as a process, over the output of a flow that runs."""

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest

from dashboard.updates import MOST_STREAMS
from tests.support.flows import ALERTING, environment, write_stream
from tests.support.page import scored, written
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import Process, wait_until

pytestmark = pytest.mark.integration


class Server:
    """A server that has said that it listens."""

    def __init__(self, process: Process, port: int) -> None:
        self.process, self.port = process, port

    def ask(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named["content-type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), named)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    def json(self, path: str, **query: object) -> Any:
        status, content = self.ask(f"/api/{path}?{urlencode(query)}")
        assert status == 200, content
        return json.loads(content)


@contextmanager
def served(*words: str | Path, port: int | None = None) -> Iterator[Server]:
    port = port or free_port()
    command = [sys.executable, "-m", "dashboard", *map(str, words), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline().decode()
            assert f":{port}/" in first, (first, process.stderr and process.stderr.read())
            yield Server(process, port)
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def events(server: Server) -> Iterator[Iterator[dict[str, Any]]]:
    """The states that the server sends, as they come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/api/updates")
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")

    def states() -> Iterator[dict[str, Any]]:
        while line := answer.readline():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))

    try:
        yield states()
    finally:
        connection.close()


def test_a_flow_is_shown_while_it_runs(tmp_path: Path) -> None:
    """The page starts before the flow, and shows each row that the flow has written in the end."""
    expected = write_stream(tmp_path, events=900)
    out, port = tmp_path / "out", free_port()
    env = environment(
        tmp_path,
        **ALERTING,
        DRIFTLINE_SINK__EMBEDDINGS="true",
        DRIFTLINE_SINK__ALERTS=f"file:{out}/alerts.jsonl",
        DRIFTLINE_SINK__DRIFT=f"file:{out}/drift.parquet",
        DRIFTLINE_SINK__WINDOWS=f"file:{out}/windows.jsonl",
        BYTEWAX_DATAFLOW_API_ENABLED="1",
        BYTEWAX_DATAFLOW_API_PORT=str(port),
        PYTHONPATH=str(ROOT),  # with its API, Bytewax writes a file into the working directory
    )
    out.mkdir()
    metrics = f"http://127.0.0.1:{port}/metrics"
    with served(out, "--metrics", metrics, "--marks", tmp_path / "m.jsonl") as server:
        assert server.json("health")["reachable"] is False
        command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
        with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL) as flow:
            seen: set[int] = set()

            def shown() -> bool:
                seen.add(server.json("state")["rows"])
                return flow.poll() is not None and max(seen) == len(expected)

            wait_until(shown, server.process)
        state = server.json("state")
        assert {each["stream"]: each["state"] for each in state["streams"]}["scores"] == "live"
        assert state["embeddings"] is True
        assert all(each["broken"] == 0 for each in state["streams"])
        keys = {key for key, _, _ in expected}
        assert {each["key"] for each in state["keys"]} == keys
        key = min(keys)
        total = server.json("rows", key=key, limit=0)["total"]
        assert total == sum(count for (name, _, _), count in expected.items() if name == key)
        wait_until(lambda: server.json("incidents")["total"] > 0, server.process)
        incident = server.json("incidents", kind="events")["incidents"][0]
        row = incident["examples"][0]
        event = server.json("event", key=incident["key"], id=row["id"])
        assert event["incident"] == incident["incident"]
        assert event["neighbours"]
        status, _ = server.ask("/api/marks", "POST", {"incident": incident["incident"], "mark": "real"})
        assert status == 200
        status, content = server.ask("/api/map")
        assert status == 200
        assert len(pa.ipc.open_stream(content).read_all()) == len(expected)
        time = server.json("time")
        assert sum(time["rows"]) == len(expected)
        assert time["drift"]


def test_updates_follow_the_output_and_a_restart_shows_the_same(tmp_path: Path) -> None:
    path = written(tmp_path / "scores.jsonl", [scored(event) for event in range(100)])
    port = free_port()
    with served(tmp_path, port=port) as server, events(server) as states:
        first = next(state for state in states if state["rows"] == 100)
        written(path, [scored(event) for event in range(100, 150)])
        then = next(state for state in states if state["rows"] == 150)
        assert then["generation"] > first["generation"]
        rows = server.json("rows", limit=500)["rows"]
        server.process.kill()
        assert list(states) == []
    with served(tmp_path, port=port) as again, events(again) as states:
        next(state for state in states if state["rows"] == 150)
        assert again.json("rows", limit=500)["rows"] == rows


def test_streams_of_events_are_bounded(tmp_path: Path) -> None:
    written(tmp_path / "scores.jsonl", [scored(1)])
    with served(tmp_path) as server, ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        next(first.enter_context(events(server)))
        for _ in range(MOST_STREAMS - 1):
            next(stack.enter_context(events(server)))
        status, content = server.ask("/api/updates")
        assert status == 503
        assert "close one" in json.loads(content)["error"]
        assert server.ask("/api/state")[0] == 200
        first.close()
        wait_until(lambda: _is_streaming(server), server.process)


def _is_streaming(server: Server) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/api/updates")
    status = connection.getresponse().status
    connection.close()
    return status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_its_streams(tmp_path: Path, number: signal.Signals) -> None:
    written(tmp_path / "scores.jsonl", [scored(1)])
    with served(tmp_path) as server, events(server) as states:
        next(states)
        server.process.send_signal(number)
        list(states)
        assert server.process.wait() == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        command = [sys.executable, "-m", "dashboard", str(tmp_path), "--port", str(server.port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(server.port) in done.stderr


def test_another_address_needs_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    written(tmp_path / "scores.jsonl", [scored(1)])
    with served(tmp_path, "--host", "0.0.0.0", "--token-file", token) as server:
        assert server.ask("/healthz") == (200, b"ok")
        assert server.ask("/api/state")[0] == 401
        assert server.ask("/api/state", authorization="Bearer 0123456789abcdef")[0] == 200
        assert (
            server.ask("/api/state", authorization="Bearer 0123456789abcdef", host="page.example")[0] == 200
        )


def refused(server: Server, *words: Any, **headers: str) -> bool:
    """Whether the server refuses a request. It may close the connection before it has read all of it."""
    try:
        return server.ask(*words, **headers)[0] in (400, 413, 414, 431)
    except ConnectionError:
        return True


def test_requests_are_bounded(tmp_path: Path) -> None:
    written(tmp_path / "scores.jsonl", [scored(1)])
    with served(tmp_path) as server:
        assert server.ask("/api/rows?text=" + "x" * 2000)[0] == 400
        assert refused(server, "/api/rows?text=" + "x" * 200_000)
        assert refused(server, "/api/state", cookie="x" * 200_000)
        assert refused(server, "/api/selections", "POST", {"rows": [10**9] * 200_000})
        assert server.ask("/healthz") == (200, b"ok")
