"""The flow as its users start, stop and change it: no row is lost, none comes twice, no traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.flows import environment, recovery, rows, run, scores, start, write_stream

DEMO = "demo:?rate=2000&seed=3"
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def wait_for(there: Callable[[], object], process: "subprocess.Popen[bytes]") -> None:
    while not there():
        assert process.poll() is None
        time.sleep(0.05)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def demo(folder: Path, uri: str = DEMO, **settings: str) -> dict[str, str]:
    wanted = {
        "DRIFTLINE_SOURCE__URI": uri,
        "DRIFTLINE_SOURCE__TEXT_FIELD": "text",
        "DRIFTLINE_SOURCE__KEY_FIELD": "service",
        "DRIFTLINE_SOURCE__ID_FIELD": "id",
        "DRIFTLINE_SOURCE__TS_FIELD": "ts",
        "DRIFTLINE_WINDOW__LENGTH": "10s",
        "DRIFTLINE_WINDOW__SLIDE": "10s",
        "DRIFTLINE_WINDOW__DELAY": "2m",
    }
    return environment(folder, **wanted | settings)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("flags", [(), ("-w", "2")], ids=["1 worker", "2 threads"])
def test_a_stop_and_a_start_give_the_rows_of_an_undisturbed_run(
    tmp_path: Path, number: signal.Signals, flags: tuple[str, ...]
) -> None:
    write_stream(tmp_path)
    run(environment(tmp_path))
    undisturbed = scores(tmp_path / "out/scores.jsonl")
    (tmp_path / "out/scores.jsonl").unlink()
    flags = (*recovery(tmp_path / "recovery"), *flags)
    env = environment(tmp_path, DRIFTLINE_SOURCE__BATCH_ROWS="5")
    stops = 0
    for more in (1, 5000):
        before = size(tmp_path / "out/scores.jsonl")
        (process,) = start(env, *flags)
        wanted = before + more
        wait_for(lambda wanted=wanted: size(tmp_path / "out/scores.jsonl") >= wanted, process)  # type: ignore[misc]
        process.send_signal(number)
        _, errors = process.communicate(timeout=100)
        said = errors.decode()
        assert (process.returncode, "Traceback" in said) == (0, False), said
        stops += f"{number.name}: reads no more" in said
        found = rows(tmp_path / "out/scores.jsonl")
        assert len({(r["key"], r["window_start"], r["id"]) for r in found}) == len(found)
        assert len(found) < len(undisturbed)  # no window was closed by the stop
    assert stops == 2
    run(env, *flags)
    assert scores(tmp_path / "out/scores.jsonl") == undisturbed
    assert len(rows(tmp_path / "out/scores.jsonl")) == len(undisturbed)


@pytest.mark.parametrize("number", SIGNALS)
def test_without_a_store_a_stop_writes_all_sinks(tmp_path: Path, number: signal.Signals) -> None:
    both = f"file:{tmp_path}/a.jsonl file:{tmp_path}/a.parquet"
    (process,) = start(demo(tmp_path, "demo:?rate=400&seed=3", DRIFTLINE_SINK__SCORES=both))
    wait_for(lambda: size(tmp_path / "a.jsonl"), process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=100)
    assert (process.returncode, b"Traceback" in errors) == (0, False), errors.decode()
    written = [row["id"] for row in rows(tmp_path / "a.jsonl")]
    assert written
    assert pq.read_table(tmp_path / "a.parquet")["id"].to_pylist() == written


@pytest.mark.parametrize("uri", ["stdin:", "demo:?rate=0.001"])
def test_a_source_that_waits_hears_a_stop(tmp_path: Path, uri: str) -> None:
    command = [sys.executable, "-m", "bytewax.run", "dataflow.flow:flow"]
    with subprocess.Popen(
        command, env=demo(tmp_path, uri), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        while b"opened at" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert b"not done after" not in process.stderr.read()


STUCK = """
import signal, sys, time
from dataflow import settings, stop
from dataflow.telemetry import logs
logs.start(settings.Log())
stop.PATIENCE_S = float(sys.argv[1])
asked = stop.Stop()
signals = stop.Signals(asked)
if sys.argv[2] == "running":
    signals.running()
print("ready", flush=True)
while True:
    time.sleep(0.01)
    if asked.asked():
        print("asked", flush=True)
        time.sleep(1000)
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    ("patience", "state", "signals"), [("1000", "starts", 1), ("0.1", "running", 1), ("1000", "running", 2)]
)
def test_a_flow_that_cannot_drain_ends_all_the_same(
    number: signal.Signals, patience: str, state: str, signals: int
) -> None:
    command = [sys.executable, "-c", STUCK, patience, state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        if signals == 2:
            assert process.stdout.readline() == b"asked\n"
            process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    "later",
    ["b.jsonl a.jsonl", "b.parquet a.jsonl b.jsonl", "a.jsonl"],
    ids=["swapped", "one before", "removed"],
)
def test_sinks_that_change_at_a_resume_keep_their_state(tmp_path: Path, later: str) -> None:
    def sinks(names: str) -> str:
        return " ".join(f"file:{tmp_path}/out/{name}" for name in names.split())

    lines = [
        {"id": f"e{n}", "host": "a", "ts": f"2026-01-01T{n // 60:02}:{n % 60:02}:00Z", "text": "x"}
        for n in range(960)
    ]
    flags = recovery(tmp_path / "recovery")
    source = tmp_path / "0.jsonl"
    for part, names in ((lines[:480], "a.jsonl b.jsonl"), (lines[480:], later)):
        with source.open("a") as file:
            file.writelines(json.dumps(line) + "\n" for line in part)
        env = environment(
            tmp_path,
            DRIFTLINE_WINDOW__LENGTH="1m",
            DRIFTLINE_WINDOW__SLIDE="1m",
            DRIFTLINE_SINK__SCORES=sinks(names),
        )
        run(env, *flags)
    everything = [line["id"] for line in lines]
    assert sorted(str(r["id"]) for r in rows(tmp_path / "out/a.jsonl")) == sorted(everything)
    in_b = {str(r["id"]) for r in rows(tmp_path / "out/b.jsonl")}
    assert in_b == set(everything if "b.jsonl" in later.split() else everything[:480])
    assert len(rows(tmp_path / "out/b.jsonl")) == len(in_b)


def test_a_slow_reader_of_an_unbuffered_flow_gets_every_row(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    env = environment(tmp_path, DRIFTLINE_SINK__SCORES="stdout:")
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    taken: list[bytes] = []
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "bytewax.run", "dataflow.flow:flow"],
        env=env,
        stdout=writer,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(writer)
        while block := os.read(reader, 3000):
            taken.append(block)
        os.close(reader)
        assert process.stderr is not None
        errors = process.stderr.read().decode()
    assert process.returncode == 0, errors
    found = [json.loads(line) for line in b"".join(taken).splitlines()]
    assert len(found) == sum(expected.values())
