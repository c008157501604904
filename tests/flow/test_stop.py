"""SIGTERM and SIGINT: a flow that is stopped and started loses no row and writes none twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.flows import (
    Undisturbed,
    environment,
    recovery,
    rows,
    run,
    scores,
    start,
    write_stream,
)
from tests.support.forked import Forked
from tests.support.processes import errors_of, killed, size, wait_until

#: The flow with no limit on the time of a stop: a slow machine must not end it with another exit code.
PATIENT = "tests.support.patient:flow"
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def demo(folder: Path, uri: str, **settings: str) -> dict[str, str]:
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


@pytest.mark.parametrize(
    ("number", "flags"),
    [(signal.SIGTERM, ()), (signal.SIGINT, ("-w", "2"))],
    ids=["SIGTERM, 1 worker", "SIGINT, 2 threads"],
)
def test_a_stop_and_a_start_give_the_rows_of_an_undisturbed_run(
    tmp_path: Path, undisturbed: Undisturbed, number: signal.Signals, flags: tuple[str, ...]
) -> None:
    write_stream(tmp_path)
    out = tmp_path / "out/scores.jsonl"
    flags = (*recovery(tmp_path / "recovery"), *flags)
    # Slow enough that the signal comes before the end of the input.
    slow = {"DRIFTLINE_SOURCE__BATCH_ROWS": "5", "DRIFTLINE_SCORE__KIND": "tests.support.scorers:slow_mean"}
    for more in (1, 20_000):
        with killed(start(environment(tmp_path, **slow), *flags, flow=PATIENT)) as (process,):
            wanted = size(out) + more
            wait_until(lambda wanted=wanted: size(out) >= wanted, process)  # type: ignore[misc]
            process.send_signal(number)
            said = errors_of(process)
        assert "Traceback" not in said
        assert f"{number.name}: the flow reads no more" in said
        found = rows(out)
        assert len({(r["key"], r["window_start"], r["id"]) for r in found}) == len(found)
        assert len(found) < len(undisturbed.scores), "the stop closed windows that were open"
    run(environment(tmp_path), *flags)
    assert scores(out) == undisturbed.scores
    assert len(rows(out)) == len(undisturbed.scores)


@pytest.mark.parametrize("number", SIGNALS)
def test_without_a_store_a_stop_writes_all_sinks(tmp_path: Path, number: signal.Signals) -> None:
    both = f"file:{tmp_path}/a.jsonl file:{tmp_path}/a.parquet"
    env = demo(tmp_path, "demo:?rate=400&seed=3", DRIFTLINE_SINK__SCORES=both)
    with killed(start(env, flow=PATIENT)) as (process,):
        wait_until(lambda: size(tmp_path / "a.jsonl"), process)
        process.send_signal(number)
        assert "Traceback" not in errors_of(process)
    written = [row["id"] for row in rows(tmp_path / "a.jsonl")]
    assert written
    assert pq.read_table(tmp_path / "a.parquet")["id"].to_pylist() == written


@pytest.mark.parametrize("uri", ["stdin:", "demo:?rate=0.001"])
def test_a_source_that_waits_hears_a_stop(tmp_path: Path, uri: str) -> None:
    pipe = subprocess.PIPE
    with Forked("bytewax.run", PATIENT, env=demo(tmp_path, uri), stdin=pipe, stderr=pipe) as process:
        assert process.stderr is not None
        while b"opened at" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        # Standard input stays open: only the signal can end the flow.
        assert process.wait() == 0


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
        assert process.wait() == 128 + number
        assert b"Traceback" not in process.stderr.read()
