"""The demo ends its child processes, whatever ends the demo; signals do not interrupt the cleanup."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo.processes import running
from tests.support.children import gone

#: Ignores SIGTERM, and has a child of its own.
STUBBORN = (
    "import signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(inner.pid, flush=True)\n"
    "time.sleep(60)\n"
)


def first_line(path: Path) -> str:
    for _ in range(1200):
        if path.exists() and "\n" in (text := path.read_text()):
            return text.splitlines()[0]
        time.sleep(0.05)
    raise AssertionError("the process printed nothing")


def test_a_child_and_its_children_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes._PATIENCE_S", 0.2)
    log = tmp_path / "log"
    with running([sys.executable, "-c", STUBBORN], os.environ, log) as child:
        inner = int(first_line(log))
        assert child.poll() is None
    assert child.returncode == -signal.SIGKILL
    assert gone(inner)


def test_a_child_that_has_ended_keeps_its_exit_code(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running([sys.executable, "-c", "print(1); raise SystemExit(3)"], os.environ, log) as child:
        assert child.wait() == 3
    assert child.returncode == 3
    assert log.read_text() == "1\n"


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import os, sys, time; from pathlib import Path; from demo.processes import Interrupts, running\n"
        f"with running([sys.executable, '-c', 'import os, time; print(os.getpid(), flush=True); "
        f"time.sleep(60)'], os.environ, Path({str(log)!r})):\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        child = int(first_line(log))
        parent.kill()
    assert gone(child)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_second_signal_does_not_interrupt_the_cleanup(number: signal.Signals) -> None:
    code = (
        "import os, signal, sys; from demo.processes import Interrupts\n"
        "interrupts = Interrupts()\n"
        "try:\n"
        f"    os.kill(os.getpid(), {int(number)})\n"
        "except KeyboardInterrupt:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('cleaned up')\n"
        "    try:\n"
        "        interrupts.unshield()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "cleaned up\ninterrupted\n", "")
