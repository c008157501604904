"""``python -m demo`` with the real Triton and the real dataflow: what it finds, and what it leaves behind."""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

STREAMING = "events scored"
#: Slow enough to be caught in the middle of.
SLOW = "demo:?rate=100"


class Demo:
    """A running demo. All that it starts carries ``mark`` in its environment."""

    def __init__(self, out: Path, *arguments: str) -> None:
        self.mark = f"DEMO_TEST={uuid.uuid4()}"
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--out", str(out), *arguments],
            cwd=ROOT,
            env=os.environ | {name: value, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""

    def until(self, words: str) -> None:
        """Read its output up to the line that has ``words``."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if words in line:
                return
        raise AssertionError(f"ended before it said {words!r}:\n{self.output}")

    def listens(self) -> bool:
        """Whether it has handlers of its own: without them, Python handles SIGINT but not SIGHUP."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.findall(r"SigCgt:\s*([0-9a-f]+)", status)[0], 16)
        return bool(caught >> (signal.SIGHUP - 1) & 1)

    def end(self) -> int:
        """Wait for it; the exit code."""
        assert self.process.stdout
        with self.process:  # closes the pipe, and waits
            self.output += self.process.stdout.read()
        return self.process.returncode

    def left(self) -> list[str]:
        """The command lines of living processes that carry the mark."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark.encode() in (entry / "environ").read_bytes():
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


@contextmanager
def demo(out: Path, *arguments: str) -> Iterator[Demo]:
    shared_memory = set(os.listdir("/dev/shm"))
    started = Demo(out, *arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.end()
    assert started.left() == []
    # Other tests' servers come and go; what a server of ours leaves would still be there.
    time.sleep(0.5)
    new = set(os.listdir("/dev/shm")) - shared_memory
    assert not [name for name in new if name.startswith("triton_python_backend")], new


def test_it_finds_most_of_what_was_planted(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        assert running.end() == 0, running.output
    found = re.search(r"(\d+) of the 20 planted anomalies are in the top 20", running.output)
    assert found, running.output
    assert int(found[1]) >= 15, running.output
    assert "0 late events; 0 dead letters" in running.output
    assert "3600 events (" in running.output
    assert "dataflow.flow:flow" in running.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["Triton: starting", "Triton: ready", STREAMING])
def test_a_signal_leaves_no_process_behind(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    with demo(tmp_path, "--source", SLOW) as running:
        running.until(moment)
        assert running.process.poll() is None
        running.process.send_signal(number)
        assert running.end() == 130, running.output
        assert running.left() == []
    assert running.output.strip().splitlines()[-1].startswith("interrupted"), running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 1.5, 2.5])
def test_a_signal_at_any_time(tmp_path: Path, delay_s: float) -> None:
    with demo(tmp_path, "--source", SLOW) as running:
        while not running.listens():
            assert running.process.poll() is None
            time.sleep(0.01)
        time.sleep(delay_s)
        running.process.send_signal(signal.SIGINT)
        assert running.end() == 130, running.output
        assert running.left() == []


def test_killed_it_takes_all_along(tmp_path: Path) -> None:
    with demo(tmp_path, "--source", SLOW) as running:
        running.until(STREAMING)
        assert len(running.left()) > 2
        running.process.kill()
        running.end()
        give_up = time.monotonic() + 15
        while running.left() and time.monotonic() < give_up:
            time.sleep(0.1)
        assert running.left() == []
