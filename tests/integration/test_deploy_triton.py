"""A real Triton with the flags, the start script and the probes of the manifests."""

import stat
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow import settings
from dataflow.embed.triton.connect import connect
from export.__main__ import main
from export.serve import tritonserver
from export.serve.sidecar import Sidecar
from tests.support import manifests
from tests.support.attack import ask, bring_a_model
from tests.support.manifests import container
from tests.support.paths import ROOT
from tests.support.ports import free_port

pytestmark = pytest.mark.integration


class ManifestSidecar(Sidecar):
    """The server of the wheel, started as the image and the manifest start Triton."""

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
        shared = [
            "--backend-config=python,shm-default-byte-size=67108864",
            f"--backend-config=python,shm-region-prefix-name={folder.name}",
        ]
        return [*arguments, f"--backend-directory={backends}", *shared]


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
        with urllib.request.urlopen(f"http://127.0.0.1:{triton.metrics_port}/metrics", timeout=60) as answer:
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
