"""The real model in other precisions, and the real server with their configs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dataflow import settings
from dataflow.embed.repository import Layout
from dataflow.embed.triton.connect import connect
from export.convert import parity, precision, quantise, weights
from export.convert.build import Target, build
from export.errors import ModelError, SidecarError
from export.repository import install as repositories
from export.repository.install import Spec
from export.serve.sidecar import Sidecar
from tests.support.paths import CACHE, MODEL, Encode

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def fp16(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Spec]:
    root = tmp_path_factory.mktemp("fp16")
    target = Target("fp16")
    return root, build(weights.named(MODEL), root, cache=CACHE, force=False, log=print, target=target)


def test_fp16_passes_its_gate_and_is_half_the_size(fp16: tuple[Path, Spec], repository: Path) -> None:
    root, spec = fp16
    assert spec.precision == "fp16"
    assert spec.cosine_min >= 0.9999
    assert spec.parity > parity.TOLERANCE
    sizes = [Layout(each).graph.stat().st_size for each in (root, repository)]
    assert 0.49 < sizes[0] / sizes[1] < 0.55


def test_fp16_loads_and_answers_without_a_gpu(
    fp16: tuple[Path, Spec], sidecar_venv: Path, reference: Encode, tmp_path: Path
) -> None:
    texts = ["disk failure on node 7", "Zürich is sunny", "a"]
    with Sidecar(fp16[0], venv=sidecar_venv, log=tmp_path / "triton.log") as sidecar:
        embedder = connect(settings.Embed(url=sidecar.url, repository=sidecar.repository))
        vectors = embedder.embed(texts).vectors
        embedder.close()
    cosines = (vectors * reference(texts)).sum(axis=1)
    assert cosines.min() >= 0.9999
    # Normalisation stays in fp32.
    assert abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5


def test_what_is_there_stays_unless_another_precision_is_asked_for(fp16: tuple[Path, Spec]) -> None:
    root, spec = fp16
    said: list[str] = []
    again = build(weights.named(MODEL), root, cache=CACHE, force=False, log=said.append)
    assert again == spec
    assert "already holds" in said[0]


def test_int8_without_real_texts_leaves_the_repository_as_it_was(
    fp16: tuple[Path, Spec], tmp_path: Path
) -> None:
    root, spec = fp16
    target = Target("int8", texts=tmp_path)
    with pytest.raises(ModelError, match=r"2000 or more different real texts, and .* has fewer"):
        build(weights.named(MODEL), root, cache=CACHE, force=False, log=print, target=target)
    assert repository_spec(root) == spec


def test_int8_is_near_enough_by_cosine(repository: Path, tmp_path: Path, reference: Encode) -> None:
    from dataflow.embed.session import Session  # noqa: PLC0415

    layout = Layout(repository)
    target = tmp_path / "model.onnx"
    quantise.to_int8_but_down(layout.graph, target)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    found = precision.agreement(reference(parity.DIFFICULT_TEXTS), Session(target, layout.tokenizer).encode)
    precision.require_agreement("int8", replace(found, kept=1.0))
    assert found.cosine < 0.9999
    assert target.stat().st_size < 0.8 * layout.graph.stat().st_size


def test_bf16_is_openvinos_or_is_refused_with_the_reason(
    repository: Path, sidecar_venv: Path, tmp_path: Path, model_folder: Path
) -> None:
    why = precision.bf16_refusal()
    if why:
        with pytest.raises(ModelError, match=r"no bfloat16 instructions|needs OpenVINO; install it"):
            precision.require_available("bf16", "auto", tmp_path)
    served(repository, tmp_path / "model_repo", precision="bf16")
    sidecar = Sidecar(tmp_path / "model_repo", venv=sidecar_venv, log=tmp_path / "triton.log")
    if not list(sidecar_venv.glob("lib/*/site-packages/openvino")):
        with pytest.raises(SidecarError, match=r"the sidecar has no OpenVINO; install it there with"):
            sidecar.start()
        return
    with sidecar:
        embedder = connect(settings.Embed(url=sidecar.url, repository=sidecar.repository))
        found = precision.agreement(
            np.load(Layout(repository).reference), lambda texts: embedder.embed(texts).vectors
        )
        embedder.close()
    precision.require_agreement("bf16", found)
    assert found.difference > parity.TOLERANCE


def repository_spec(root: Path) -> Spec | None:
    return repositories.read_spec(Layout(root))


def served(source: Path, root: Path, **change: str) -> None:
    """Make a copy of ``source`` with the configs of another precision."""
    layout, mine = Layout(source), Layout(root)
    spec = repositories.read_spec(layout)
    assert spec
    for path, target in ((layout.graph, mine.graph), (layout.tokenizer, mine.tokenizer)):
        target.parent.mkdir(parents=True)
        target.hardlink_to(path)
    repositories.write_served_files(mine, replace(spec, precision=change["precision"]))
