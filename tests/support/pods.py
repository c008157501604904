"""The pods of the StatefulSet as local processes, without a cluster.

Commands, environment and scripts are those of the manifests. Only paths, ports and host names are local.
"""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.support import manifests
from tests.support.flows import FLOW
from tests.support.manifests import Object, container
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.processes import errors_of, killed

SCRIPTS = ROOT / "k8s" / "base"
#: ``alive.py`` with a port and a file of the test's own.
_ALIVE = """
import sys, pathlib, alive
sys.exit(alive.main(float(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])))
"""


class Pods:
    """The processes of a StatefulSet. ``folder`` holds the files of all, and a recovery volume for each."""

    def __init__(self, folder: Path, objects: list[Object]) -> None:
        self.folder, self._objects = folder, objects
        self.ports: list[int] = []

    def recovery(self, ordinal: int) -> Path:
        return self.folder / f"recovery-{ordinal}"

    def start(
        self, replicas: int, settings: dict[str, str], flow: str = FLOW
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
        command = [flow if word == FLOW else word for word in spec["command"]]
        arguments = [str(word).replace("/recovery", str(self.recovery(ordinal))) for word in spec["args"]]
        arguments[arguments.index("-s") + 1] = "0"  # a snapshot as often as possible
        return subprocess.Popen(
            [*command, *arguments],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
        )

    def alive(self, ordinal: int, longest_seconds: float = 900) -> tuple[int, str]:
        """The exit code of the liveness probe, and the note that the probe keeps between two calls."""
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
    """Scale to 0: the STOPSIGNAL of the image, and SIGKILL after the grace period."""
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


def finish(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Wait for the end of the processes; each must exit with code 0."""
    with killed(processes):
        for process in processes:
            errors_of(process)
