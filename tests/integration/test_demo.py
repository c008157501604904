"""``python -m demo`` with the real Triton and dataflow: it finds anomalies and leaves nothing behind."""

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
from tests.support.processes import wait_until

pytestmark = pytest.mark.integration

STREAMING = "events scored"
#: Slow enough that a signal comes while the demo runs.
SLOW = "demo:?rate=100"


class Demo:
    """A running demo. Each process that the demo starts has ``mark`` in its environment."""

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
        #: What names of the shared memory of its servers begin with.
        self.regions: set[str] = set()

    def until(self, words: str) -> None:
        """Read the output up to the line that has ``words``."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.output += line
            if words in line:
                self.left()
                return
        raise AssertionError(f"ended before it said {words!r}:\n{self.output}")

    def listens(self) -> bool:
        """Whether the demo has installed its handlers: Python itself handles SIGINT, but not SIGHUP."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = int(re.findall(r"SigCgt:\s*([0-9a-f]+)", status)[0], 16)
        return bool(caught >> (signal.SIGHUP - 1) & 1)

    def end(self) -> int:
        """Wait for the end of the demo; returns the exit code."""
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
        self.regions |= set(re.findall(r"shm-region-prefix-name=(\S+)", " ".join(found)))
        return found


@contextmanager
def demo(out: Path, *arguments: str) -> Iterator[Demo]:
    started = Demo(out, *arguments)
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.terminate()
            started.end()
    assert started.left() == []
    assert not [name for name in os.listdir("/dev/shm") if name.startswith(tuple(started.regions))]


def found(output: str, kind: str) -> dict[str, int]:
    """How many events of a kind are among the highest by each column."""
    row = re.search(rf"^{kind} +(\d+) +(\d+) +(\d+)$", output, re.MULTILINE)
    assert row, output
    return dict(zip(("score", "novelty", "anomaly"), map(int, row.groups()), strict=True))


def test_each_column_finds_what_it_is_for(tmp_path: Path) -> None:
    with demo(tmp_path) as running:
        assert running.end() == 0, running.output
    scattered, burst = found(running.output, "scattered, of 20"), found(running.output, "burst, of 54")
    assert scattered["score"] >= 17, running.output
    assert scattered["novelty"] >= 14, running.output
    assert burst["score"] <= 5, running.output
    assert burst["anomaly"] >= 35, running.output
    assert found(running.output, "other")["anomaly"] <= 10, running.output
    medians = [float(each) for each in re.findall(r"\d\d:[03]0 (\d+\.\d)", running.output)]
    assert len(medians) == 7, running.output
    # The new topic is unusual when it is new, and not for ever.
    assert min(medians[1:3]) > 2 > max(medians[-2:]), running.output
    assert "0 late events; 0 dead letters" in running.output
    assert "3600 events (" in running.output
    assert "dataflow.flow:flow" in running.output


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("Triton: starting", signal.SIGTERM),
        ("Triton: ready", signal.SIGINT),
        (STREAMING, signal.SIGINT),
        (STREAMING, signal.SIGTERM),
    ],
)
def test_a_signal_leaves_no_process_behind(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    with demo(tmp_path, "--source", SLOW) as running:
        running.until(moment)
        assert running.process.poll() is None
        running.process.send_signal(number)
        assert running.end() == 130, running.output
        assert running.left() == []
    assert running.regions or moment == "Triton: starting", "no server was seen"
    assert running.output.strip().splitlines()[-1].startswith("interrupted"), running.output
    assert "Traceback" not in running.output


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 1.5])
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
        wait_until(lambda: not running.left())
