"""A command that dies with its parent, however the parent ends."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from export.serve import die_with_parent
from tests.support.children import gone

SCRIPT = die_with_parent.__file__
#: Starts itself a child that dies with it, prints the child's id, and waits.
PARENT = (
    "import os, subprocess, sys, time\n"
    "command = [sys.executable, '-I', sys.argv[1], str(os.getpid()), 'sleep', '3600']\n"
    "print(subprocess.Popen(command, start_new_session=True).pid, flush=True)\n"
    "time.sleep(3600)\n"
)


def test_the_command_dies_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", PARENT, SCRIPT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        while b"sleep" not in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]:
            assert parent.poll() is None
            time.sleep(0.01)
        parent.kill()
    try:
        assert gone(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_a_parent_that_died_before_is_noticed() -> None:
    command = [sys.executable, "-I", SCRIPT, str(os.getpid() + 1), "echo", "ran"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_command_gets_the_signals_that_python_ignores() -> None:
    shell = "grep SigIgn /proc/self/status"
    command = [sys.executable, "-I", SCRIPT, str(os.getpid()), "sh", "-c", shell]
    ignored = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()[1], 16)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        assert not ignored >> (number - 1) & 1
