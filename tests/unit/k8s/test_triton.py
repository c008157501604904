"""Triton in the pod serves the exported models, listens where the dataflow connects, and keeps others out."""

import os
import re
import stat
import subprocess
from pathlib import Path

from dataflow.embed.repository import ENCODER, MODEL
from export.__main__ import _parser
from export.convert import precision, weights
from export.serve.sidecar import Sidecar
from tests.support import manifests
from tests.support.manifests import OVERLAYS, Object, container, export_arguments, flags, loaded
from tests.support.paths import ROOT

#: The arguments of Triton that a pod and the local sidecar must have in common.
COMMON = (
    "--model-repository",
    "--model-control-mode",
    "--load-model",
    "--disable-auto-complete-config",
    "--grpc-restricted-protocol",
    "--http-restricted-api",
)


def test_triton_listens_where_the_dataflow_and_the_probes_look(overlay: list[Object]) -> None:
    triton = container(overlay, "triton")
    given = flags(triton["args"])
    assert loaded(overlay).embed.url == f"{given['--grpc-address'][0]}:{given['--grpc-port'][0]}"
    assert given["--http-address"] == ["127.0.0.1"]
    for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
        command = triton[kind]["exec"]["command"]
        assert re.fullmatch(
            rf"http://127\.0\.0\.1:{given['--http-port'][0]}/v2/health/(ready|live)", command[-1]
        )
        assert float(command[command.index("--max-time") + 1]) < triton[kind]["timeoutSeconds"]
    assert [str(each["containerPort"]) for each in triton["ports"]] == given["--metrics-port"]


def test_triton_serves_the_models_that_the_export_makes(overlay: list[Object]) -> None:
    triton, embed = container(overlay, "triton"), loaded(overlay).embed
    given = flags(triton["args"])
    assert given["--load-model"] == [ENCODER, MODEL]
    assert embed.model == MODEL
    parsed = _parser().parse_args(export_arguments(overlay))
    assert parsed.model in weights.KNOWN
    assert given["--model-repository"] == [str(parsed.repository)] == [str(embed.repository)]
    for each in (triton, container(overlay, "model"), container(overlay, "dataflow")):
        assert {mount["mountPath"]: mount["name"] for mount in each["volumeMounts"]}["/models"] == "models"
    assert str(parsed.cache).startswith("/tmp/")


def test_the_gpu_overlay_has_the_large_model_in_fp16_and_the_cpu_overlay_the_small_one() -> None:
    made = {}
    for name in OVERLAYS:
        objects = manifests.built(name)
        parsed = _parser().parse_args(export_arguments(objects))
        made[name] = (parsed.model, parsed.device, parsed.precision)
        precision.require_available(parsed.precision or "fp32", parsed.device or "auto", parsed.texts)
        # The container that exports the model has no GPU: the gate is passed on a CPU.
        assert "nvidia.com/gpu" not in container(objects, "model")["resources"]["limits"]
    assert made == {
        "cpu": ("all-MiniLM-L6-v2", None, None),
        "gpu": ("all-mpnet-base-v2", "gpu", "fp16"),
    }


def test_triton_gets_the_arguments_of_the_local_sidecar(overlay: list[Object], tmp_path: Path) -> None:
    sidecar = Sidecar(Path("/models"), log=tmp_path / "log", http_port=8000, metrics_port=8002)
    server = sidecar._arguments.__globals__["tritonserver"].Server(Path("tritonserver"), {})
    local = flags(sidecar._arguments(server, tmp_path, "secret"))
    in_pod = flags([*container(overlay, "triton")["args"], *key_arguments(tmp_path)])
    for name in COMMON:
        assert in_pod[name] == local[name]
    assert set(local) == set(in_pod)
    # A pod has a /dev/shm of its own, so it needs no prefix there.
    size, prefix = local["--backend-config"]
    assert in_pod["--backend-config"] == [size]
    assert prefix == f"python,shm-region-prefix-name={tmp_path.name}"


def key_arguments(folder: Path) -> list[str]:
    """What ``docker/triton.sh`` adds to Triton's arguments, with ``secret`` in place of the key."""
    program, key_file = folder / "tritonserver", folder / "key"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}", "TRITON_KEY_FILE": str(key_file)}
    script = ROOT / "docker" / "triton.sh"
    done = subprocess.run([script, "--first"], env=env, capture_output=True, text=True, check=True)
    first, *added = done.stdout.splitlines()
    assert first == "--first"
    key = key_file.read_text().strip()
    assert len(key) == 32
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    return [argument.replace(key, "secret") for argument in added]


def test_the_key_lies_in_memory_and_only_triton_mounts_it(overlay: list[Object]) -> None:
    triton = container(overlay, "triton")
    (path,) = (each["value"] for each in triton["env"] if each["name"] == "TRITON_KEY_FILE")
    mounts = {mount["mountPath"]: mount["name"] for mount in triton["volumeMounts"]}
    name = mounts[str(Path(path).parent)]
    (volume,) = (each for each in manifests.pod(overlay)["volumes"] if each["name"] == name)
    assert volume["emptyDir"]["medium"] == "Memory"
    for each in manifests.containers(overlay):
        assert each is triton or name not in [mount["name"] for mount in each["volumeMounts"]]
