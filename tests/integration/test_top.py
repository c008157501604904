"""``python -m dataflow.top`` in a real terminal, over an output that grows."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def row(number: int, anomaly: float) -> str:
    start = "2026-01-01T00:00:00.000000Z"
    return json.dumps(
        {
            "key": "all",
            "window_start": start,
            "window_end": "2026-01-01T00:10:00.000000Z",
            "revision": 0,
            "id": f"e{number}",
            "ts": f"2026-01-01T00:0{number}:00.000000Z",
            "text": f"text {number} \x1b[2J",
            "score": 1 - number / 10,
            "cluster": 0,
            "model": "null",
            "model_version": "1",
            "attributes": "{}",
            "novelty": 0.5,
            "surge": 0.0,
            "rarity": 1.0,
            "p_value": 10**-anomaly,
            "anomaly": anomaly,
        }
    )


class Terminal:
    """A terminal, and what the command drew on it."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dataflow.top", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        )
        os.close(theirs)
        self._drawn = ""

    def until(self, pattern: str) -> str:
        """What was drawn since the last call, up to ``pattern``."""
        until = time.monotonic() + 120
        while not (found := re.search(pattern, ESCAPES.sub("", self._drawn), re.DOTALL)):
            assert time.monotonic() < until, self._drawn
            if select.select([self._ours], [], [], 0.1)[0]:
                self._drawn += os.read(self._ours, 1 << 16).decode()
        plain, self._drawn = ESCAPES.sub("", self._drawn), ""
        return plain[: found.end()]

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def close(self) -> None:
        os.close(self._ours)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def test_new_rows_appear_keys_sort_and_q_ends_it(tmp_path: Path) -> None:
    output = tmp_path / "scores.jsonl"
    output.write_text(row(1, 1.0) + "\n")
    terminal = Terminal(str(tmp_path), "--interval", "0.2")
    try:
        terminal.until(r"text 1 \\x1b\[2J")
        with output.open("a") as file:
            file.write(row(2, 5.0) + "\n" + row(3, 3.0) + "\n")
        assert "window ↓" in terminal.until("text 2.*text 3.*text 1")
        terminal.press("s")
        terminal.until("score ↓.*text 1.*text 2.*text 3")
        terminal.press("q")
        assert terminal.process.wait(60) == 0
    finally:
        terminal.close()


def test_one_picture_is_printed_without_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "scores.jsonl").write_text("".join(row(n, float(n)) + "\n" for n in range(5)))
    command = [sys.executable, "-m", "dataflow.top", "--once", "--sort", "anomaly"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=True)
    assert re.findall(r"text (\d)", done.stdout) == ["4", "3", "2", "1", "0"]
    assert "\x1b" not in done.stdout
    missing = subprocess.run(
        [*command, str(tmp_path / "no")], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert missing.returncode == 1
    assert f"{tmp_path}/no: No such file or directory" in missing.stderr
