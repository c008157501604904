"""What the manifests start, started here, and the procedures of docs/guides/deployment.md, without a cluster.

Commands, environment and scripts are those of the manifests; only paths, ports and host names are local,
and the null embedder stands in for Triton where Triton is not the matter.
"""

import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from dataflow import settings
from dataflow.embed.triton.connect import connect
from export.__main__ import main
from export.serve import tritonserver
from export.serve.sidecar import Sidecar, free_port
from tests.support import manifests
from tests.support.attack import ask, bring_a_model
from tests.support.flows import environment, scored, scores, write_stream
from tests.support.manifests import Object, container
from tests.support.paths import ROOT

pytestmark = pytest.mark.integration

SCRIPTS = ROOT / "k8s" / "base"
#: ``alive.py`` with a port and a file of the test's own.
_ALIVE = """
import sys, pathlib, alive
sys.exit(alive.main(float(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])))
"""


class Pods:
    """The processes of a StatefulSet that share ``folder``, each with a recovery volume of its own in it."""

    def __init__(self, folder: Path, objects: list[Object]) -> None:
        self.folder, self._objects = folder, objects
        self.ports: list[int] = []

    def recovery(self, ordinal: int) -> Path:
        return self.folder / f"recovery-{ordinal}"

    def start(
        self, replicas: int, settings: dict[str, str], flow: str = "dataflow.flow:flow"
    ) -> list[subprocess.Popen[bytes]]:
        hostfile = self.folder / "hostfile"
        hostfile.write_text("".join(f"127.0.0.1:{free_port()}\n" for _ in range(replicas)))
        self.ports = [free_port() for _ in range(replicas)]
        return [self._start(i, hostfile, settings, flow) for i in range(replicas)]

    def _start(
        self, ordinal: int, hostfile: Path, settings: dict[str, str], flow: str
    ) -> subprocess.Popen[bytes]:
        env = {k: v for k, v in os.environ.items() if not k.startswith(("DRIFTLINE_", "BYTEWAX_"))}
        env |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        env |= manifests.environment(self._objects, pod_name=f"driftline-{ordinal}", secrets={}) | settings
        (self.folder / f"tmp-{ordinal}").mkdir(exist_ok=True)
        env |= {
            "BYTEWAX_HOSTFILE_PATH": str(hostfile),
            "BYTEWAX_DATAFLOW_API_PORT": str(self.ports[ordinal]),
            "BYTEWAX_DATAFLOW_API_CACHE_PATH": str(self.folder / f"tmp-{ordinal}"),
        }
        self.recovery(ordinal).mkdir(exist_ok=True)
        init = container(self._objects, "recovery")
        script = init["args"][0].replace("/recovery", str(self.recovery(ordinal)))
        subprocess.run([*init["command"], script], env=env, check=True, capture_output=True)
        spec = container(self._objects, "dataflow")
        command = [flow if word == "dataflow.flow:flow" else word for word in spec["command"]]
        arguments = [str(word).replace("/recovery", str(self.recovery(ordinal))) for word in spec["args"]]
        arguments[arguments.index("-s") + 1] = "0"  # every moment may be resumed from
        return subprocess.Popen(
            [*command, *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def alive(self, ordinal: int, longest_seconds: float = 900) -> tuple[int, str]:
        """The exit code of the liveness probe, and what it has noted."""
        seen = self.folder / f"tmp-{ordinal}" / "alive"
        url = f"http://127.0.0.1:{self.ports[ordinal]}/metrics"
        command = [sys.executable, "-c", _ALIVE, str(longest_seconds), url, str(seen)]
        done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, check=False)
        return done.returncode, seen.read_text() if seen.exists() else ""

    def ready(self, ordinal: int) -> bool:
        path = container(self._objects, "dataflow")["readinessProbe"]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[ordinal]}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def stop(processes: Sequence[subprocess.Popen[bytes]]) -> list[tuple[bytes, bytes]]:
    """As scaling to 0 does it: the image's STOPSIGNAL, and in the end what nobody can ignore."""
    assert "\nSTOPSIGNAL SIGINT\n" in (ROOT / "docker" / "dataflow.Dockerfile").read_text()
    for process in processes:
        process.send_signal(signal.SIGINT)
    outputs = []
    for process in processes:
        try:
            outputs.append(process.communicate(timeout=10))
        except subprocess.TimeoutExpired:
            process.kill()
            outputs.append(process.communicate())
    return outputs


@contextmanager
def running(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def finish(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    with running(processes):
        for process in processes:
            _, errors = process.communicate(timeout=100)
            assert process.returncode == 0, errors.decode()


def wait_until(met: object, *, seconds: float = 30) -> None:
    assert callable(met)
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)


def stream(folder: Path) -> dict[str, str]:
    """Settings for the stream of the flow tests, slowed down by ``tests.support.paced``."""
    own = {k: v for k, v in environment(folder).items() if k.startswith("DRIFTLINE_")}
    return own | {"PACE": "0.2", "DRIFTLINE_SOURCE__BATCH_ROWS": "20", "DRIFTLINE_WINDOW__IDLE_TIMEOUT": "1h"}


PACED = "tests.support.paced:flow"


def test_a_laptop_s_pod_scores_its_stream_and_ends_at_once(tmp_path: Path) -> None:
    pods = Pods(tmp_path, manifests.built("cpu"))
    sink = tmp_path / "scores.jsonl"
    processes = pods.start(
        1,
        {
            "DRIFTLINE_SOURCE__URI": "demo:?rate=1000&events=1000000",
            "DRIFTLINE_EMBED__KIND": "null",
            "DRIFTLINE_SINK__SCORES": f"file:{sink}",
        },
    )
    with running(processes):
        wait_until(lambda: pods.ready(0))
        wait_until(lambda: sink.exists() and sink.stat().st_size > 0)
        code, first = pods.alive(0)
        time.sleep(0.5)
        assert (code, pods.alive(0)[0]) == (0, 0)
        assert first != pods.alive(0)[1] != "", "the polls of the source are not counted"
        started = time.monotonic()
        ((_, errors),) = stop(processes)
        assert time.monotonic() - started < 5
    assert b'"reason"' not in errors, "dead letters: the settings do not fit the stream"


def hanging(frame: pd.DataFrame) -> "pd.Series[float]":
    """A scorer that never returns."""
    time.sleep(3600)
    return frame["ts"].astype(float)


def test_a_flow_that_hangs_is_not_alive(tmp_path: Path) -> None:
    pods = Pods(tmp_path, manifests.built("cpu"))
    settings = {"DRIFTLINE_SOURCE__URI": "demo:?rate=1000&events=1000000", "DRIFTLINE_EMBED__KIND": "null"}
    processes = pods.start(2, settings | {"DRIFTLINE_SCORE__KIND": f"{__name__}:hanging"})
    with running(processes):
        wait_until(lambda: pods.ready(0) and pods.ready(1))
        assert [pods.alive(i, 2)[0] for i in range(2)] == [0, 0]
        # One process hangs; all that read from the source notice.
        wait_until(lambda: 1 in [pods.alive(i, 2)[0] for i in range(2)], seconds=60)
        assert [process.poll() for process in processes] == [None, None]
        assert pods.ready(0), "it hangs, but it answers: only the epoch tells"


def test_rescaled_up_and_down_it_gives_the_same_rows(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    alone = tmp_path / "alone"
    alone.mkdir()
    undisturbed = {"DRIFTLINE_SINK__SCORES": f"file:{alone}/undisturbed.jsonl"}
    finish(Pods(alone, manifests.built("cpu")).start(1, stream(tmp_path) | undisturbed))
    pods = Pods(tmp_path, manifests.built("gpu"))
    for replicas in (1, 2):
        run_until_it_scores(pods, replicas, stream(tmp_path))
    assert len(scored_until_now(tmp_path)) < len(expected)
    finish(pods.start(1, stream(tmp_path)))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    assert scores(tmp_path / "out/scores.jsonl") == scores(alone / "undisturbed.jsonl")
    assert list((pods.recovery(0) / "store").glob("*.sqlite3"))
    assert not list((pods.recovery(1) / "store").iterdir())


def run_until_it_scores(pods: Pods, replicas: int, settings: dict[str, str]) -> None:
    """Until there are more rows than before, slowed down; then scale to 0."""
    before = len(scored_until_now(pods.folder))
    processes = pods.start(replicas, settings, PACED)
    with running(processes):
        wait_until(lambda: len(scored_until_now(pods.folder)) > before)
        time.sleep(random.uniform(0, 0.5))
        assert [process.poll() for process in processes] == [None] * replicas
        stop(processes)


def scored_until_now(folder: Path) -> dict[tuple[str, str, str], int]:
    path = folder / "out/scores.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""  # a line may be under way
    return {(r["key"], r["window_start"], r["id"]): 1 for r in map(json.loads, whole.splitlines())}


def test_another_configuration_continues_where_the_old_one_stopped(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    run_until_it_scores(pods, 1, stream(tmp_path))
    before = scored_until_now(tmp_path)
    finish(pods.start(1, stream(tmp_path) | {"DRIFTLINE_SCORE__KIND": "cosine"}))
    assert 0 < len(before) < len(expected)
    assert scored(tmp_path / "out/scores.jsonl") == expected


def test_a_model_of_another_dimension_starts_with_a_new_store(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    run_until_it_scores(pods, 1, stream(tmp_path))
    shutil.rmtree(pods.recovery(0))  # the claim is deleted
    other = {"DRIFTLINE_EMBED__DIM": "16", "DRIFTLINE_SINK__EMBEDDINGS": "true"}
    finish(pods.start(1, stream(tmp_path) | other))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    lines = (tmp_path / "out/scores.jsonl").read_text().splitlines()
    assert {len(json.loads(line)["embedding"]) for line in lines} == {16}


def test_a_backup_taken_under_way_is_restored(tmp_path: Path) -> None:
    expected = write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    store, copy = pods.recovery(0) / "store", pods.recovery(0) / "backup"
    processes = pods.start(1, stream(tmp_path), PACED)
    with running(processes):
        wait_until(lambda: bool(scored_until_now(tmp_path)))
        backup = [sys.executable, str(SCRIPTS / "backup.py"), str(store), str(copy)]
        assert subprocess.run(backup, check=True, capture_output=True).stdout == b"4 partitions copied\n"
        at_backup = len(scored_until_now(tmp_path))
        wait_until(lambda: len(scored_until_now(tmp_path)) > at_backup)
        stop(processes)
    later = scores(tmp_path / "out/scores.jsonl")
    assert len(later) < len(expected)
    for lost in store.iterdir():
        lost.unlink()
    for part in copy.iterdir():
        part.rename(store / part.name)
    finish(pods.start(1, stream(tmp_path)))
    assert scored(tmp_path / "out/scores.jsonl") == expected
    again = scores(tmp_path / "out/scores.jsonl")
    assert {row: again[row] for row in later} == later


def test_no_partition_is_no_beginning_anew_by_chance(tmp_path: Path) -> None:
    write_stream(tmp_path)
    pods = Pods(tmp_path, manifests.built("cpu"))
    (pods.recovery(0) / "store").mkdir(parents=True)  # a restore that forgot the files
    (process,) = pods.start(1, stream(tmp_path), PACED)
    with running([process]):
        _, errors = process.communicate(timeout=60)
    assert process.returncode
    assert b"no recovery partition; make one with" in errors


class ManifestSidecar(Sidecar):
    """The wheel's server as the image and the manifest start it."""

    def _launch(self, program: tritonserver.Server) -> None:
        path = f"{program.binary.parent}:{program.environment['PATH']}"
        environment = program.environment | {"PATH": path, "TRITON_KEY_FILE": str(self.key_file)}
        script = ROOT / "docker" / "triton.sh"
        super()._launch(replace(program, binary=script, environment=environment))

    def _arguments(self, program: tritonserver.Server, folder: Path, secret: str) -> list[str]:
        local = {
            "--model-repository": str(self.repository),
            "--grpc-port": str(self.grpc_port),
            "--http-port": str(self.http_port),
            "--metrics-address": "127.0.0.1",
            "--metrics-port": str(self.metrics_port),
        }
        arguments = []
        for argument in container(manifests.built("cpu"), "triton")["args"]:
            name, equals, value = argument.partition("=")
            arguments.append(f"{name}{equals}{local.get(name, value)}")
        backends = tritonserver.backend_directory(program, folder / "backends")
        prefix = f"--backend-config=python,shm-region-prefix-name={folder.name}"
        return [*arguments, f"--backend-directory={backends}", prefix]


def test_a_real_triton_takes_the_flags_and_passes_the_probes(
    repository: Path, sidecar_venv: Path, tmp_path: Path
) -> None:
    spec = container(manifests.built("cpu"), "triton")
    log = tmp_path / "triton.log"
    http, metrics = free_port(), free_port()
    with ManifestSidecar(
        repository, venv=sidecar_venv, log=log, http_port=http, metrics_port=metrics
    ) as triton:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            command = [w.replace(":8000/", f":{triton.http_port}/") for w in spec[kind]["exec"]["command"]]
            assert subprocess.run(command, check=False).returncode == 0, kind
        with urllib.request.urlopen(f"http://127.0.0.1:{triton.metrics_port}/metrics", timeout=5) as answer:
            assert b"nv_inference_count" in answer.read()
        bring_a_model(triton, tmp_path / "ran")
        assert not (tmp_path / "ran").exists(), "the model of a stranger ran in the server"
        assert ask(triton, "POST", "/v2/models/sbert/infer")[0] == 403
        assert stat.S_IMODE(triton.key_file.stat().st_mode) == 0o600
        listed = ["list", f"--url={triton.url}", f"--repository={repository}"]
        assert main([*listed, f"--key-file={triton.key_file}"]) == 0
        assert main([*listed, f"--key-file={tmp_path / 'none'}"]) == 1
        connect(settings.Embed(url=triton.url, repository=repository)).close()
    assert subprocess.run(command, check=False).returncode != 0
