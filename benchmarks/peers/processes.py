"""Starts the programs of peers and the dataflow, and measures what they use."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kit.processes import anonymous_bytes, cpu_seconds, members
from benchmarks.peers.environments import ROOT

#: What starts the dataflow.
FLOW = (sys.executable, "-m", "bytewax.run", "dataflow.flow:flow")
_POLL_S = 0.2


@dataclass
class Use:
    """What processes use. ``peak_bytes``: the most anonymous memory of all of them together.

    ``cpu_s``: CPU seconds of all of them, their start included.
    """

    peak_bytes: int = 0
    cpu_s: float = 0.0


def with_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a dataflow with these settings and no others."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "BYTEWAX_"))}
    return inherited | dict(settings)


def end_of(log: Path) -> str:
    """The last lines of ``log``."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-30:])


@contextmanager
def started(
    command: Sequence[str], env: dict[str, str], log: Path, *, pipes: bool = False, cwd: Path = ROOT
) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that leads a session of its own. All processes of the session end with the block.

    ``pipes``: stdin and stdout are pipes; else, stdout goes to ``log`` as stderr does.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE if pipes else out,
            stderr=out,
            stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in members(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            end = time.monotonic() + 5
            while members(process.pid) and time.monotonic() < end and process.poll() is None:
                time.sleep(_POLL_S)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


@contextmanager
def sampled(leaders: Sequence[int], use: Use) -> Iterator[None]:
    """Fills in the memory and the CPU time of the processes while the block runs."""
    stop = threading.Event()
    before = sum(map(cpu_seconds, leaders))

    def sample() -> None:
        while not stop.wait(_POLL_S):
            use.peak_bytes = max(use.peak_bytes, sum(map(anonymous_bytes, leaders)))
            # A process that has ended has no CPU time any more.
            use.cpu_s = max(use.cpu_s, sum(map(cpu_seconds, leaders)) - before)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
