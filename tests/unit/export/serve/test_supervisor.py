"""What is left of a server when the supervisor ends: nothing. A shell stands for the server."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from export.serve import supervisor
from tests.support.children import gone

#: A stand-in for a server with a stub that ignores all but SIGKILL; says when both are there.
SERVER = (
    "trap '' TERM; sh -c \"trap '' TERM HUP; echo \\$\\$ stub >&2; sleep 3600 & wait\" & sleep 3600 & wait"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the server, with its key beside it, and its shared memory."""
    folder = tmp_path / f"driftline-test-{uuid4().hex}"
    folder.mkdir()
    (tmp_path / "key").write_text("secret")
    shared(folder).touch()
    return folder


def shared(folder: Path) -> Path:
    return Path("/dev/shm") / f"{folder.name}-region"


@contextmanager
def supervised(folder: Path, script: str) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-I", supervisor.__file__, str(folder), str(folder.parent / "key"), "0.1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*command, "sh", "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    ) as process:
        yield process


def expect_nothing_left(folder: Path) -> None:
    assert not folder.exists()
    assert not shared(folder).exists()


@pytest.mark.parametrize("end", ["stdin", "SIGTERM", "SIGHUP", "SIGINT"])
def test_when_its_parent_lets_go_the_server_and_its_stubs_are_stopped(folder: Path, end: str) -> None:
    with supervised(folder, SERVER) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        server, stub = int(process.stdout.readline()), int(process.stderr.readline().split()[0])
        if end == "stdin":
            process.stdin.close()
        else:
            process.send_signal(signal.Signals[end])
        process.wait()
    try:
        assert gone(server)
        assert gone(stub)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server, signal.SIGKILL)
    expect_nothing_left(folder)
    assert not (folder.parent / "key").exists()


def test_when_the_supervisor_is_killed_the_server_dies(folder: Path) -> None:
    with supervised(folder, "echo started >&2; exec sleep 3600") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        server = int(process.stdout.readline())
        assert process.stderr.readline() == "started\n"
        process.kill()
    try:
        assert gone(server)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server, signal.SIGKILL)
        shared(folder).unlink()


def test_the_status_of_a_server_that_ends_is_passed_on(folder: Path) -> None:
    with supervised(folder, "exit 7") as process:
        assert process.wait() == 7
    expect_nothing_left(folder)


def test_the_key_of_a_server_that_started_meanwhile_stays(folder: Path) -> None:
    key = folder.parent / "key"
    with supervised(folder, SERVER) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stderr.readline()
        key.write_text("another secret")
        process.stdin.close()
        process.wait()
    assert key.read_text() == "another secret"
    expect_nothing_left(folder)
