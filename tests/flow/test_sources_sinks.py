"""Sources and sinks in real dataflows: each record once and in order, also after crashes."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import cluster_main, run_main

from dataflow.items.schemas import Decoded
from tests.support.copying import copy_flow
from tests.support.paths import ROOT

PART_ROWS = 500


def write_input(folder: Path, files: int = 3) -> None:
    for f in range(files):
        with (folder / f"in-{f}.jsonl").open("w", newline="\r\n") as file:
            for i in range(PART_ROWS):
                record = {"ts": f"2026-11-23T11:00:00.{i:06}Z", "text": "é" * (i % 7), "n": i}
                print(json.dumps(record) if i % 10 else f"broken {i}", file=file)


def read_output(out: str) -> tuple[list[Any], list[Any]]:
    good = [json.loads(line) for line in Path(out).read_bytes().splitlines()]
    bad = [json.loads(line) for line in Path(f"{out}.dead.jsonl").read_bytes().splitlines()]
    return good, bad


def recovery_in(folder: Path) -> RecoveryConfig:
    folder.mkdir()
    init_db_dir(folder, 1)
    return RecoveryConfig(str(folder))


def check_complete(out: str) -> None:
    good, bad = read_output(out)
    for f in range(3):
        name = f"in-{f}.jsonl"
        mine = [row for row in good if row["partition"] == name]
        assert [row["attributes"]["n"] for row in mine] == [i for i in range(PART_ROWS) if i % 10]
        assert [row["id"] for row in mine] == [f"{name}:{row['offset']}" for row in mine]
        dead = [row["raw"] for row in bad if row["partition"] == name]
        assert dead == [f"broken {i}" for i in range(0, PART_ROWS, 10)]
        data = Path(name).read_bytes()
        assert all(data[row["offset"] :].startswith(b'{"ts"') for row in mine)
    assert (len(good), len(bad)) == (3 * PART_ROWS * 9 // 10, 3 * PART_ROWS // 10)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_record_arrives_once_and_in_order(tmp_path: Path, workers: int) -> None:
    write_input(tmp_path)
    cluster_main(copy_flow("in-*.jsonl", "out.jsonl"), [], 0, worker_count_per_proc=workers)
    check_complete("out.jsonl")


class CrashError(Exception):
    pass


@pytest.mark.parametrize("workers", [1, 2])
def test_after_crashes_the_output_is_what_it_would_have_been(tmp_path: Path, workers: int) -> None:
    write_input(tmp_path)
    recovery = recovery_in(tmp_path / "db")

    def run(crash_after: int | None, rows: int) -> None:
        seen = 0

        def watch(decoded: Decoded) -> None:
            nonlocal seen
            seen += 1
            if seen == crash_after:
                raise CrashError

        flow = copy_flow("in-*.jsonl", "out.jsonl", rows=rows, watch=watch)
        cluster_main(
            flow, [], 0, epoch_interval=timedelta(0), recovery_config=recovery, worker_count_per_proc=workers
        )

    for crash_after, rows in ((7, 16), (1, 16), (11, 5), (4, 64)):
        with pytest.raises((CrashError, RuntimeError)):
            run(crash_after, rows)
    run(None, 32)
    check_complete("out.jsonl")


def test_a_grown_file_is_continued(tmp_path: Path) -> None:
    recovery = recovery_in(tmp_path / "db")
    for day in (1, 2):
        with Path("a.jsonl").open("a") as file:
            print(json.dumps({"ts": f"2026-11-0{day}T00:00:00Z", "text": f"day {day}"}), file=file)
        run_main(copy_flow("a.jsonl", "out.jsonl"), epoch_interval=timedelta(0), recovery_config=recovery)
    assert [row["text"] for row in read_output("out.jsonl")[0]] == ["day 1", "day 2"]


PIPE = """
import sys
from bytewax.testing import run_main
from tests.support.copying import copy_flow
run_main(copy_flow("stdin:", "out.jsonl"))
"""


def test_a_pipe_is_read_as_it_comes(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PIPE],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    try:
        for n in range(1, 4):
            process.stdin.write(b'{"ts": "2026-11-23T11:00:00Z", "text": "%d"}\n' % n)
            process.stdin.flush()
            assert _lines_within(Path("out.jsonl"), n, timeout_s=60) == n
        process.stdin.write(b'{"ts": "2026-11-23T11:00:00Z", "text": "no line end"}')
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors.decode()
    rows = read_output("out.jsonl")[0]
    assert [row["text"] for row in rows] == ["1", "2", "3", "no line end"]
    assert [row["id"] for row in rows] == [f"stdin:{n}" for n in range(4)]


def _lines_within(path: Path, count: int, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = len(path.read_bytes().splitlines()) if path.exists() else 0
        if found >= count:
            return found
        time.sleep(0.01)
    return 0
