"""``python -m dataflow.doctor`` names each mistake in the settings, the files and the recovery store."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from tritonclient.grpc import service_pb2_grpc

from dataflow.sink.step_ids import step_id
from tests.support.doctor import Examine, examiner, statuses
from tests.support.flows import TEXT, environment, recovery, run, write_stream
from tests.support.kserve import Server
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def examine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    return examiner(tmp_path, monkeypatch, capsys)


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
    away = {"EMBED__URL": "127.0.0.1:9", "EMBED__STARTUP_TIMEOUT": "2s"}
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


def test_what_is_away_is_waited_for(examine: Examine) -> None:
    port, running = free_port(), grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Server(), running)
    running.add_insecure_port(f"127.0.0.1:{port}")
    settings = {"EMBED__KIND": "triton", "EMBED__URL": f"127.0.0.1:{port}", "EMBED__DIM": "4"}
    assert examine(**settings, EMBED__STARTUP_TIMEOUT="1s")[0] == 1
    timer = threading.Timer(1, running.start)
    timer.start()
    try:
        code, found = examine("--wait=1h", **settings, EMBED__STARTUP_TIMEOUT="1s")
    finally:
        timer.join()
        running.stop(None).wait()
    assert (code, found["embedder"][0]) == (0, "ok"), found


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
    # The state of the sink that is gone stays in the store.
    code, status, says = look(store, SINK__SCORES="")
    assert (code, status) == (0, "warning")
    assert f"driftline.{step_id('scores', f'file:{tmp_path}/out/scores.jsonl')};" in says
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
