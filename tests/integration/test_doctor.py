"""``python -m dataflow.doctor`` on what is there and on what is not: each failure with its real part."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from confluent_kafka import Producer
from tritonclient.grpc import service_pb2_grpc

from dataflow.doctor.__main__ import main
from dataflow.endpoints import kafka
from dataflow.sink import paths
from export.serve.sidecar import Sidecar, free_port
from tests.support.flows import environment, recovery, run, write_stream
from tests.support.kafka_broker import QUIET, broker, make_topic
from tests.support.kserve import Server
from tests.support.tls import authority, certificate

pytestmark = pytest.mark.integration

TEXT = "aardvark"
Examine = Callable[..., tuple[int, dict[str, tuple[str, str]]]]


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    """The exit code, and check -> (status, message), with settings that are all right but for those given."""
    monkeypatch.setattr(kafka, "TIMEOUT_S", 1.0)

    def look(*arguments: str, **settings: str) -> tuple[int, dict[str, tuple[str, str]]]:
        for name in [name for name in os.environ if name.startswith(("DRIFTLINE_", "BYTEWAX_"))]:
            monkeypatch.delenv(name)
        for name, value in environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        for name, value in settings.items():
            monkeypatch.setenv(name if name.startswith("BYTEWAX_") else f"DRIFTLINE_{name}", value)
        code = main(["--json", *arguments])
        written = capsys.readouterr()
        assert TEXT not in written.out + written.err
        assert "hunter2" not in written.out + written.err
        findings = [json.loads(line) for line in written.out.splitlines()]
        return code, {each["check"]: (each["status"], each["message"]) for each in findings}

    write_stream(tmp_path, 30)
    return look


def statuses(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {check: status for check, (status, _) in found.items()}


def files(folder: Path) -> set[tuple[Path, float]]:
    return {(path, path.stat().st_mtime) for path in folder.rglob("*")}


def test_all_is_well_and_nothing_is_touched(
    examine: Examine, tmp_path: Path, triton: Sidecar, repository: Path
) -> None:
    recovery(tmp_path / "store")
    before = files(tmp_path)
    code, found = examine(
        f"--recovery={tmp_path}/store",
        EMBED__KIND="triton",
        EMBED__URL=triton.url,
        EMBED__DIM="384",
        EMBED__REPOSITORY=str(repository),
    )
    assert code == 0
    assert set(statuses(found).values()) == {"ok"}, found
    assert re.search(r"sbert version 1\+\w{12}, 384 dimensions; one text took", found["embedder"][1])
    assert "all-MiniLM-L6-v2" in found["model"][1]
    assert "2 partitions, new" in found["recovery"][1]
    assert files(tmp_path) == before


def test_a_mistake_in_the_settings_leaves_the_rest_unlooked_at(examine: Examine) -> None:
    code, found = examine(WINDOW__LENGHT="10m")
    assert code == 2
    assert found["settings"][0] == "wrong"
    assert "DRIFTLINE_WINDOW__LENGHT: no such setting" in found["settings"][1]
    assert set(statuses(found).values()) == {"wrong", "skipped"}


@pytest.mark.parametrize(
    ("setting", "value", "check", "status", "says"),
    [
        ("SCORE__KIND", "kmeens", "settings", "wrong", "there are kmeans"),
        ("SOURCE__URI", "file:not/*.jsonl", "source", "wrong", "no file matches"),
        ("SOURCE__URI", "stdin:", "source", "ok", "cannot be read twice"),
        ("SOURCE__TS_FIELD", "when", "source", "wrong", "missing_field of 'when'"),
        ("SOURCE__TS_FORMAT", "epoch_ms", "source", "wrong", "bad_time of 'ts'"),
        ("SINK__SCORES", "file:/proc/scores.jsonl", "sink.scores", "wrong", "/proc cannot be written"),
        ("SINK__SCORES", "file:/dev/null/scores.jsonl", "sink.scores", "wrong", "/dev/null is no folder"),
        ("SINK__WINDOWS", "file:/tmp", "sink.windows", "wrong", "is a folder"),
        ("SINK__LATE", "tape:", "sink.late", "wrong", "no sink 'tape'"),
        ("EMBED__KIND", "triton", "embedder", "away", "does not answer (connection refused)"),
    ],
)
def test_each_mistake_is_named_and_the_rest_is_looked_at(
    examine: Examine, setting: str, value: str, check: str, status: str, says: str
) -> None:
    away = {"EMBED__URL": "127.0.0.1:9", "EMBED__STARTUP_TIMEOUT": "100ms"}
    code, found = examine(**away, **{setting: value})
    assert found[check][0] == status
    assert says in found[check][1]
    assert code == {"ok": 0, "away": 1, "wrong": 2}[status]
    others = {c: s for c, s in statuses(found).items() if c != check}
    assert "wrong" not in others.values()
    assert "away" not in others.values()


def test_records_of_which_some_are_bad_or_from_the_future(examine: Examine, tmp_path: Path) -> None:
    future = (datetime.now(timezone.utc) + timedelta(days=2)).isoformat()
    lines = [{"id": "1", "host": "a", "ts": "2026-01-01T00:00:00Z", "text": TEXT}]
    lines += [lines[0] | {"ts": TEXT}, lines[0] | {"ts": future}]
    path = tmp_path / "mixed.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), TEXT]))
    code, found = examine(SOURCE__URI=f"file:{path}")
    assert code == 0
    assert found["source"][0] == "warning"
    for part in ("1 of 4 records", "1 bad_time of 'ts'", "1 malformed"):
        assert part in found["source"][1]
    assert found["clock"][0] == "warning"
    assert "1 records are stamped more than window.max_future" in found["clock"][1]


@pytest.mark.parametrize(
    ("settings", "check", "status", "says"),
    [
        ({"EMBED__MODEL": "nope"}, "embedder", "wrong", "has no usable model 'nope'"),
        ({"EMBED__VERSION": "7"}, "embedder", "wrong", "no usable model"),
        ({"EMBED__DIM": "768"}, "embedder", "wrong", "gives 384 dimensions"),
        ({"EMBED__REPOSITORY": "no/where"}, "model", "skipped", "no model here"),
        ({"EMBED__REPOSITORY": "{changed}"}, "embedder", "wrong", "embed.repository holds"),
        ({"EMBED__REPOSITORY": "{other}"}, "model", "warning", "cannot be told to be that of"),
        ({"EMBED__REPOSITORY": "{newer}"}, "model", "warning", "but 2 is to be served"),
        ({"EMBED__REPOSITORY": "{broken}"}, "model", "warning", "does not say what it is"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_server_that_has_another_model(
    examine: Examine,
    triton: Sidecar,
    repository: Path,
    tmp_path: Path,
    settings: dict[str, str],
    check: str,
    status: str,
    says: str,
) -> None:
    real = (repository / "sbert_encoder" / "1" / "spec.json").read_text()
    changed = json.dumps(json.loads(real) | {"sha256": "0" * 64})
    folders = {}
    for name, specs in {
        "changed": {"1": changed},
        "other": {"3": changed},
        "newer": {"1": real, "2": changed},
        "broken": {"1": "{"},
    }.items():
        folders[name] = str(tmp_path / name)
        for version, spec in specs.items():
            path = tmp_path / name / "sbert_encoder" / version / "spec.json"
            path.parent.mkdir(parents=True)
            path.write_text(spec)
    code, found = examine(
        EMBED__KIND="triton",
        EMBED__URL=triton.url,
        EMBED__DIM=settings.get("EMBED__DIM", "384"),
        **{name: value.format(**folders) for name, value in settings.items() if name != "EMBED__DIM"},
    )
    assert found[check][0] == status
    assert says in found[check][1]
    assert code == (2 if status == "wrong" else 0)


def test_what_is_away_is_waited_for(examine: Examine) -> None:
    port, running = free_port(), grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Server(), running)
    running.add_insecure_port(f"127.0.0.1:{port}")
    settings = {"EMBED__KIND": "triton", "EMBED__URL": f"127.0.0.1:{port}", "EMBED__DIM": "4"}
    assert examine(**settings, EMBED__STARTUP_TIMEOUT="50ms")[0] == 1
    timer = threading.Timer(1, running.start)
    timer.start()
    try:
        code, found = examine("--wait=60s", **settings, EMBED__STARTUP_TIMEOUT="50ms")
    finally:
        timer.join()
        running.stop(None).wait()
    assert (code, found["embedder"][0]) == (0, "ok"), found


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    """Shows a certificate and says nothing."""
    authority(folder, "ca")
    certificate(folder, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_kafka_that_is_away_or_refuses_us(examine: Examine, tmp_path: Path) -> None:
    secret = {"KAFKA__SASL_USERNAME": "me", "KAFKA__SASL_PASSWORD": "hunter2"}
    code, found = examine(SOURCE__URI=f"kafka://127.0.0.1:{free_port()}/events")
    assert (code, found["source"][0]) == (1, "away")
    assert "Connection refused" in found["source"][1]
    with tls_server(tmp_path) as port:
        code, found = examine(SOURCE__URI=f"kafka://127.0.0.1:{port}/events", KAFKA__SECURITY_PROTOCOL="SSL")
        assert (code, found["source"][0]) == (2, "wrong")
        assert "certificate verify failed" in found["source"][1]
    with broker(tmp_path / "broker.log") as address:
        code, found = examine(
            SOURCE__URI=f"kafka://{address}/events",
            KAFKA__SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA__SASL_MECHANISM="PLAIN",
            **secret,
        )
        assert (code, found["source"][0]) == (2, "wrong")
        assert "SASL" in found["source"][1]
        code, found = examine(SOURCE__URI=f"kafka://{address}/nope", SINK__LATE=f"kafka://{address}/nope")
        assert code == 2
        assert "Unknown topic" in found["source"][1]
        assert "Unknown topic" in found["sink.late"][1]


def test_a_topic_is_read_and_stays_as_it_is(examine: Examine, tmp_path: Path) -> None:
    with broker(tmp_path / "broker.log") as address:
        make_topic(address, "events", partitions=1)
        uri = f"kafka://{address}/events?start=latest"
        _, found = examine(SOURCE__URI=uri)
        assert found["source"][0] == "ok"
        assert "no record is there yet" in found["source"][1]
        producer = Producer(QUIET | {"bootstrap.servers": address})
        ahead = int((time.time() + 1800) * 1000)
        for i in range(20):
            event = {"id": str(i), "host": "a", "ts": f"2026-01-01T00:00:{i:02}Z", "text": TEXT}
            producer.produce("events", json.dumps(event), timestamp=ahead if i == 9 else ahead - 10**8)
        assert producer.flush(20) == 0
        for _ in range(2):
            code, found = examine(SOURCE__URI=uri)
            assert (code, found["source"][0]) == (0, "ok"), found
            assert "20 of 20 records" in found["source"][1]
            assert found["clock"][0] == "warning"
            assert "stamp of a message" in found["clock"][1]


def test_recovery_stores(examine: Examine, tmp_path: Path) -> None:
    def look(store: Path, **more: str) -> tuple[int, str, str]:
        code, found = examine(BYTEWAX_RECOVERY_DIRECTORY=str(store), **more)
        return code, *found["recovery"]

    store = tmp_path / "store"
    assert look(store)[:2] == (2, "wrong")
    store.mkdir()
    code, _, says = look(store)
    assert (code, "no recovery partition; make one with" in says) == (2, True)
    hosts = tmp_path / "hostfile"
    for names, expected in (("a:1\n", (2, "wrong")), ("a:1\nb:1\n", (0, "ok"))):
        hosts.write_text(names)
        assert look(store, BYTEWAX_HOSTFILE_PATH=str(hosts))[:2] == expected
    store.rmdir()
    flags = recovery(store)
    run(environment(tmp_path), *flags)
    code, status, says = look(store)
    assert (code, status) == (0, "ok")
    assert "2 partitions; resumes at epoch" in says
    code, status, says = look(store, WINDOW__LENGTH="1h")
    assert (code, status) == (2, "wrong")
    assert "window.length=600s, and now it is 3600s" in says
    # One sink less: its state stays behind.
    code, status, says = look(store, SINK__SCORES="")
    assert (code, status) == (0, "warning")
    assert f"driftline.{paths.step_id('scores', f'file:{tmp_path}/out/scores.jsonl')};" in says
    (store / "part-1.sqlite3").rename(tmp_path / "kept")
    code, status, says = look(store)
    assert (code, "holds 1 of 2 partitions" in says) == (2, True)
    (store / "part-1.sqlite3").write_bytes(b"no database" * 1000)
    code, status, says = look(store)
    assert (code, "part-1.sqlite3: this recovery partition cannot be used" in says) == (2, True)


def test_as_a_command(tmp_path: Path) -> None:
    write_stream(tmp_path, 3)
    command = [sys.executable, "-m", "dataflow.doctor"]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok", "skipped"}
    refused = subprocess.run([*command, "--wait=5"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "write it as 10m" in refused.stderr
