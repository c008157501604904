"""The sidecar: a server that restarts costs the stream only time, and no process outlives its starter."""

import re
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from dataflow import settings
from dataflow.embed.triton.connect import connect
from dataflow.errors import OutageError
from export.convert.parity import TOLERANCE
from export.serve.sidecar import HOST, Sidecar
from tests.support.ports import free_port
from tests.support.processes import wait_until
from tests.support.texts import mixture

pytestmark = pytest.mark.integration


def test_a_server_killed_and_restarted_mid_stream_costs_nothing_but_time(
    repository: Path, sidecar_venv: Path, tmp_path: Path
) -> None:
    said: list[str] = []
    texts = mixture(60, seed=1)
    with Sidecar(repository, venv=sidecar_venv, log=tmp_path / "triton.log") as sidecar:
        embedder = connect(settings.Embed(url=sidecar.url, max_request_rows=4), log=said.append)
        before = embedder.embed(texts).vectors

        def restart() -> None:
            sidecar.kill()
            sidecar.start()

        thread = threading.Thread(target=restart)
        thread.start()
        during = [embedder.embed(texts)]
        while thread.is_alive():
            during.append(embedder.embed(texts))
        thread.join()
        embedder.close()
    for answer in during:
        assert answer.failed == {}
        np.testing.assert_allclose(answer.vectors, before, atol=TOLERANCE)
    # A server that starts may refuse a connection once more after its first answer: a second outage.
    outages = ["the flow waits" in line for line in said]
    assert outages
    assert outages == [True, False] * (len(said) // 2)
    assert all("answers again" in line for line in said[1::2])


def test_a_server_that_stays_away_ends_the_flow(repository: Path, sidecar_venv: Path, tmp_path: Path) -> None:
    with Sidecar(repository, venv=sidecar_venv, log=tmp_path / "triton.log") as sidecar:
        embedder = connect(settings.Embed(url=sidecar.url, max_outage=timedelta(seconds=1)), log=print)
        embedder.embed(["a"])
        sidecar.kill()
        with pytest.raises(OutageError, match="gave no answer for"):
            embedder.embed(["a"])
        embedder.close()


def leftovers(marker: str) -> list[str]:
    """The processes whose command line contains ``marker``, and the shared memory named after it."""
    found = [str(path) for path in Path("/dev/shm").glob(f"*{marker}*")]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if marker in command:
            found.append(f"{path.parent.name}: {command}")
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_whoever_started_the_server(
    repository: Path, sidecar_venv: Path, tmp_path: Path, how: signal.Signals
) -> None:
    grpc, http = free_port(), free_port()
    command = [sys.executable, "-m", "export", "sidecar", f"--repository={repository}"]
    command += [f"--venv={sidecar_venv}", f"--grpc-port={grpc}", f"--http-port={http}"]
    command += [f"--metrics-port={free_port()}", f"--log={tmp_path / 'triton.log'}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        where = f"ready: gRPC {HOST}:{grpc}, HTTP {HOST}:{http}, key {tmp_path / 'triton.key'}, "
        assert process.stdout.readline().startswith(where)
        assert (tmp_path / "triton.key").exists()
        mark = f"--http-port={http}"
        (run,) = set(re.findall(r"shm-region-prefix-name=(\S+)", " ".join(leftovers(mark))))
        assert [path for path in Path("/dev/shm").iterdir() if path.name.startswith(run)]
        process.send_signal(how)
        process.wait()
    finally:
        process.kill()
        process.communicate()
    wait_until(lambda: leftovers(mark) + leftovers(run) == [])
    assert not (tmp_path / "triton.key").exists()
    assert not Path(tempfile.gettempdir(), run).exists()
