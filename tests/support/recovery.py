"""Recovery stores as Bytewax writes them, what their preparation says, and a process that holds one."""

import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SettingsError
from dataflow.recovery.store import Prepared, prepare

MADE = {"window.length": "600s", "model": "m 1"}
CHECKS: dict[str, Any] = {
    "fixed": ("window.length", "window.gap"), "source_step": "flow.source", "source_parts": ["a.jsonl"]
}  # fmt: skip


def other_flow(folder: Path, *addresses: str, made_with: Mapping[str, str] = MADE) -> "subprocess.Popen[str]":
    """Start a process that uses the store until its standard input closes."""
    checks = {**CHECKS, "source_step": ""}
    code = (
        "import sys; from pathlib import Path; from dataflow.recovery.store import prepare\n"
        f"held = prepare(Path({str(folder)!r}), {made_with!r}, **{checks!r}, addresses={addresses!r})\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def write(path: Path, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Execute ``statement`` on a partition, once for each row."""
    with closing(sqlite3.connect(path)) as database, database:
        database.executemany(statement, rows)


def snaps(path: Path, rows: Sequence[tuple[str, str, int, Any]]) -> None:
    """Write snapshots ``(step, key, epoch, state)``; the state ``...``: the key has ended."""
    pickled = [(*row, None if state is ... else pickle.dumps(state)) for *row, state in rows]
    write(path, "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, ?, ?, ?)", pickled)


def run(path: Path, number: int, workers: int, began: int, fronts: Mapping[int, int]) -> None:
    """Record an execution, and the epoch that each of its workers reached."""
    write(
        path,
        "INSERT INTO exs (ex_num, worker_count, resume_epoch) VALUES (?, ?, ?)",
        [(number, workers, began)],
    )
    statement = "INSERT INTO fronts (ex_num, worker_index, worker_frontier) VALUES (?, ?, ?)"
    write(path, statement, [(number, worker, epoch) for worker, epoch in fronts.items()])


def prepared(folder: Path, made_with: Mapping[str, str] = MADE, **more: Any) -> Prepared:
    """What ``prepare`` returns, with its lock released."""
    result = prepare(folder, made_with, **{**CHECKS, **more})
    assert result is not None
    result.lock.close()
    return result


def refused(folder: Path, made_with: Mapping[str, str] = MADE, **more: Any) -> str:
    """The one line with which ``prepare`` refuses a store."""
    with pytest.raises(SettingsError) as caught:
        prepare(folder, made_with, **{**CHECKS, **more})
    assert "\n" not in str(caught.value)
    return str(caught.value)
