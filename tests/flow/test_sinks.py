"""Sinks of a whole flow: they may change at a resume, and a slow reader of standard output gets every row."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.flows import FLOW, environment, recovery, rows, run, write_stream


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
    command = [sys.executable, "-u", "-m", "bytewax.run", FLOW]
    with subprocess.Popen(command, env=env, stdout=writer, stderr=subprocess.PIPE) as process:
        os.close(writer)
        while block := os.read(reader, 3000):
            taken.append(block)
        os.close(reader)
        assert process.stderr is not None
        errors = process.stderr.read().decode()
    assert process.returncode == 0, errors
    found = [json.loads(line) for line in b"".join(taken).splitlines()]
    assert len(found) == sum(expected.values())
