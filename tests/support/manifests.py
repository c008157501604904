"""The manifests in k8s/, built by kustomize."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from dataflow import settings
from tests.support.paths import ROOT

OVERLAYS = ("cpu", "gpu")
COMPONENTS = ("kafka-credentials", "monitoring")
#: Triton in pods of its own; tests/unit/k8s/test_shared_triton.py is about these.
SHARED = ("shared-triton", "triton-autoscaling")
ALL_COMPONENTS = {*COMPONENTS, *SHARED, "live-page", "shared-memory"}
SECRETS = {"username": "driftline", "password": "not a secret"}

Object = dict[str, Any]


@cache
def built(overlay: str, *components: str) -> list[Object]:
    """The objects of ``k8s/overlays/<overlay>``, or of an overlay that adds ``components`` to it.

    They are built once, so a test must not change them. Skips the test where there is no kustomize.
    """
    if not components:
        return _kustomized(ROOT / "k8s" / "overlays" / overlay)
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        k8s = Path(os.path.relpath(ROOT / "k8s", folder))
        kustomization = {
            "resources": [str(k8s / "overlays" / overlay)],
            "components": [str(k8s / "components" / component) for component in components],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(kustomization))
        return _kustomized(folder)


@cache
def _kustomize() -> list[str] | None:
    if kubectl := shutil.which("kubectl"):
        return [kubectl, "kustomize"]
    if kustomize := shutil.which("kustomize"):
        return [kustomize, "build"]
    return None


def _kustomized(folder: Path) -> list[Object]:
    command = _kustomize()
    if command is None:
        pytest.skip("there is neither kubectl nor kustomize on PATH")
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Several times as fast as ``safe_load_all``.
    return list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))


def one(objects: list[Object], kind: str) -> Object:
    (found,) = of(objects, kind)
    return found


def of(objects: list[Object], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def pod(objects: list[Object]) -> Object:
    """The spec of the StatefulSet's pods."""
    spec: Object = one(objects, "StatefulSet")["spec"]["template"]["spec"]
    return spec


def containers(objects: list[Object]) -> Iterator[Object]:
    """All containers in the order in which they start."""
    spec = pod(objects)
    yield from spec["initContainers"]
    yield from spec["containers"]


def container(objects: list[Object], name: str) -> Object:
    (found,) = (each for each in containers(objects) if each["name"] == name)
    return found


def config_map(objects: list[Object], prefix: str) -> dict[str, str]:
    """The data of the ConfigMap whose name is ``prefix`` and a hash."""
    (found,) = (each for each in of(objects, "ConfigMap") if each["metadata"]["name"].startswith(prefix))
    data: dict[str, str] = found["data"]
    return data


def flags(arguments: list[str]) -> dict[str, list[str]]:
    """``["--a=1", "--b", "--a=2"]`` -> ``{"--a": ["1", "2"], "--b": [""]}``"""
    found: dict[str, list[str]] = {}
    for argument in arguments:
        name, _, value = argument.partition("=")
        found.setdefault(name, []).append(value)
    return found


def environment(objects: list[Object], *, pod_name: str, secrets: dict[str, str]) -> dict[str, str]:
    """The environment of the dataflow container."""
    spec = container(objects, "dataflow")
    maps = {each["metadata"]["name"]: each["data"] for each in of(objects, "ConfigMap")}
    found: dict[str, str] = {}
    for source in spec["envFrom"]:
        found |= maps[source["configMapRef"]["name"]]
    for variable in spec["env"]:
        origin = variable.get("valueFrom", {})
        if "fieldRef" in origin:
            assert origin["fieldRef"]["fieldPath"] == "metadata.name"
            found[variable["name"]] = pod_name
        elif "secretKeyRef" in origin:
            found[variable["name"]] = secrets[origin["secretKeyRef"]["key"]]
        else:
            found[variable["name"]] = variable["value"]
    return found


def secret() -> Object:
    """The Secret that a user makes by hand; this is the example."""
    example = ROOT / "k8s" / "components" / "kafka-credentials" / "secret.example.yaml"
    found: Object = yaml.safe_load(example.read_text())
    return found


def loaded(objects: list[Object]) -> settings.Settings:
    """The settings that the dataflow's container loads."""
    return settings.load(environment(objects, pod_name="driftline-0", secrets=SECRETS))


def export_arguments(objects: list[Object]) -> list[str]:
    """The arguments that the container ``model`` gives to ``python -m export``."""
    spec = container(objects, "model")
    assert spec["command"][:3] == ["python", "-m", "export"]
    return [*spec["command"][3:], *spec["args"]]
