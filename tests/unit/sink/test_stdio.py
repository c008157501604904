"""Standard output and standard error: every row, also to a slow reader."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from dataflow.items.schemas import SCORED
from dataflow.settings import Settings
from dataflow.sink import open_sink
from dataflow.sink.encoding import json_rows
from tests.support.batches import filled as batch
from tests.support.paths import ROOT


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_stdio(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("taken").open("w") as taken:
        monkeypatch.setattr(sys, name, taken)
        part: Any = open_sink(f"{name}:", Settings(), stream="scores")
        part.build("s", 0, 1).write_batch([("k", batch(SCORED, 2)), ("k", batch(SCORED))])
    assert Path("taken").read_bytes() == json_rows(batch(SCORED))[0] * 3


@pytest.mark.parametrize("blocking", [True, False])
def test_a_slow_reader_gets_every_row(monkeypatch: pytest.MonkeyPatch, blocking: bool) -> None:
    """Standard output as ``python -u`` has it: a raw file, which may write a part, or nothing."""
    reader, writer = os.pipe()
    os.set_blocking(writer, blocking)
    taken: list[bytes] = []

    def read_slowly() -> None:
        while block := os.read(reader, 3000):
            taken.append(block)

    thread = threading.Thread(target=read_slowly)
    raw = io.FileIO(writer, "w")
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(cast(Any, raw), write_through=True))
    part: Any = open_sink("stdout:", Settings(), stream="scores")
    thread.start()
    part.build("s", 0, 1).write_batch([("k", batch(SCORED, 5000))] * 4)
    sys.stdout.close()
    thread.join()
    os.close(reader)
    assert b"".join(taken).count(b"\n") == 20_000
    assert b"".join(taken) == json_rows(batch(SCORED))[0] * 20_000


READ_ONE_LINE = """
from dataflow.items.schemas import SCORED
from dataflow.settings import Settings
from dataflow.sink import open_sink
from tests.support.batches import filled
part = open_sink("stdout:", Settings(), stream="scores").build("s", 0, 1)
while True:
    part.write_batch([("k", filled(SCORED, 1000))])
"""


def test_a_reader_that_has_enough_ends_it_without_a_word() -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", READ_ONE_LINE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["key"] == "x"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 128 + signal.SIGPIPE
