"""The Dockerfiles and the names of their images, as far as tests can check them without a build."""

import re
import subprocess
import sysconfig
from fnmatch import fnmatch
from pathlib import Path

import pytest

import dataflow
from export.__main__ import _parser
from export.convert import weights
from tests.support import manifests
from tests.support.manifests import Object, container, export_arguments
from tests.support.paths import ROOT

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))


def instructions(path: Path) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", path.read_text()))
    return [
        (word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


@pytest.fixture(params=DOCKERFILES, ids=lambda path: path.stem)
def dockerfile(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    linter = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([linter, "--no-color", dockerfile], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_bases_are_pinned(dockerfile: Path) -> None:
    bases = {rest.split()[0] for word, rest in instructions(dockerfile) if word == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(
        r"python:3\.11\.\d+-slim-bookworm@sha256:[0-9a-f]{64}|nvcr\.io/nvidia/tritonserver:26\.09-py3",
        bases.pop(),
    )


def test_every_copied_path_exists_and_is_not_ignored(dockerfile: Path) -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for word, rest in instructions(dockerfile):
        if word == "COPY" and "--from" not in rest:
            *origins, _ = rest.split()
            for origin in origins:
                assert (ROOT / origin).exists(), origin
                tracked = subprocess.run(
                    ["git", "ls-files", origin], cwd=ROOT, capture_output=True, check=False
                )
                assert tracked.stdout or tracked.returncode, f"{origin} is in no commit"
                assert any(fnmatch(origin, k) or origin.startswith(f"{k}/") for k in kept), (
                    f"{origin} is ignored"
                )
        assert word != "ADD"


def test_the_build_context_names_only_paths_that_exist() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert kept
    assert [path for path in kept if not (ROOT / path).exists()] == []


def test_the_image_runs_as_the_user_of_the_manifests(dockerfile: Path) -> None:
    users = [rest for word, rest in instructions(dockerfile) if word == "USER"]
    context = manifests.pod(manifests.built("cpu"))["securityContext"]
    assert users == [f"{context['runAsUser']}:{context['runAsGroup']}"]
    last_stage = "\n".join(f"{word} {rest}" for word, rest in instructions(dockerfile)).rpartition("FROM ")[2]
    assert "RUN" not in last_stage.partition("USER")[2]


def test_nothing_secret_or_unlocked_is_installed(dockerfile: Path) -> None:
    for word, rest in instructions(dockerfile):
        assert not re.search(r"(?i)password|secret|token=", rest)
        for requirements in re.findall(r"-r (\S+)", rest):
            lines = (ROOT / requirements.replace("/tmp/", "docker/")).read_text().splitlines()
            assert requirements.endswith("torch.txt") or "--no-deps --require-hashes" in rest
            pinned = [line for line in lines if re.match(r"[\w.-]+==\S+", line)]
            assert pinned
            assert len(pinned) == sum(not line.startswith(("#", " ")) for line in lines)
        assert word not in ("RUN",) or "--no-cache-dir" in rest or "pip install" not in rest


def test_the_dataflow_has_no_torch() -> None:
    text = (ROOT / "docker" / "dataflow.Dockerfile").read_text()
    (lock,) = re.findall(r"-r (\S+)", text)
    assert not re.search(r"(?m)^(torch|onnx|sentence-transformers)\b", (ROOT / lock).read_text())


def test_the_commands_are_those_of_the_manifests() -> None:
    objects = manifests.built("cpu")
    for name, spec in (("dataflow", "dataflow"), ("export", "model"), ("triton", "triton")):
        (words,) = (rest for word, rest in instructions(ROOT / f"docker/{name}.Dockerfile") if word == "CMD")
        there = container(objects, spec)
        command = re.findall(r'"([^"]+)"', words)
        assert command == [word for word in [*there["command"], *there["args"]] if word in command]


def test_the_weights_are_those_of_the_default_model() -> None:
    text = (ROOT / "docker" / "export.Dockerfile").read_text()
    (packages,) = re.findall(r'(?m)^ARG WEIGHTS="(.*)"$', text)
    assert packages.split() == list(weights.KNOWN["all-MiniLM-L6-v2"].packages)


def test_the_triton_image_has_the_packages_of_the_sidecar() -> None:
    sidecar = (ROOT / "requirements" / "sidecar.txt").read_text()
    packages = re.findall(r"(?m)^\S+==(?:.*\\\n)+.*\n?", (ROOT / "docker" / "triton.txt").read_text())
    assert len(packages) == 1
    for package in packages:
        assert package in sidecar


def test_the_images_are_those_of_this_version_and_model(overlay: list[Object]) -> None:
    for each in manifests.containers(overlay):
        name, _, tag = each["image"].partition(":")
        assert name in ("driftline/dataflow", "driftline/export", "driftline/triton")
        assert tag == dataflow.__version__ or tag.startswith(f"{dataflow.__version__}-")
    model = _parser().parse_args(export_arguments(overlay)).model
    assert container(overlay, "model")["image"].endswith(f"-{model.lower()}")
