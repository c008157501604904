"""The real export of the real model, and of small ones with other poolings."""

from pathlib import Path

import numpy as np
import pytest

from dataflow.onnx_session import Session
from export import graph, parity, sources
from export.__main__ import main
from export.architecture import Architecture, Pooling
from export.build import build
from export.errors import ParityError, SidecarError
from export.repository import Layout, Spec
from export.sidecar import HOST, Sidecar

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exported(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Spec]:
    """A local folder, exported to a repository of its own."""
    root = tmp_path_factory.mktemp("repository")
    spec = build(sources.source(str(model_folder)), root, cache=root, force=False, log=print)
    return root, spec


def test_a_local_folder_makes_a_complete_repository(exported: tuple[Path, Spec], repository: Path) -> None:
    root, spec = exported
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    assert names == [
        "sbert/1/model.py",
        "sbert/1/tokenizer.json",
        "sbert/1/tokens.py",
        "sbert/config.pbtxt",
        "sbert_encoder/1/model.onnx",
        "sbert_encoder/1/reference.npy",
        "sbert_encoder/1/spec.json",
        "sbert_encoder/config.pbtxt",
    ]
    assert (spec.dim, spec.max_tokens, spec.pooling, spec.normalize) == (384, 256, "mean", True)
    assert spec.parity <= parity.TOLERANCE
    for name in ("sbert/config.pbtxt", "sbert_encoder/config.pbtxt", "sbert/1/model.py"):
        assert (root / name).read_text() == (repository / name).read_text()


def test_the_graph_is_what_the_stock_server_reads(exported: tuple[Path, Spec]) -> None:
    import onnx  # noqa: PLC0415

    model = onnx.load(Layout(exported[0]).graph, load_external_data=False)
    assert [(each.domain, each.version) for each in model.opset_import] == [("", graph.OPSET)]
    assert model.ir_version <= 10
    shapes = {
        tensor.name: [axis.dim_param or axis.dim_value for axis in tensor.type.tensor_type.shape.dim]
        for tensor in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {
        "input_ids": ["batch", "length"],
        "attention_mask": ["batch", "length"],
        "embedding": ["batch", 384],
    }


def test_a_graph_that_differs_leaves_the_repository_as_it_was(
    exported: tuple[Path, Spec], model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = exported
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    monkeypatch.setattr("export.architecture.read", lambda _: Architecture("cls", True))
    with pytest.raises(ParityError, match=r"differs from SentenceTransformer.encode by 0\.\d+"):
        build(sources.source(str(model_folder)), root, cache=root, force=True, log=print)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before
    assert not list(root.glob(".build-*"))


@pytest.mark.parametrize("pooling", ["cls", "max", "mean"])
def test_other_poolings_agree_with_the_reference(
    model_folder: Path, tmp_path: Path, pooling: Pooling
) -> None:
    reference = graph.load(model_folder)
    reference[1].pooling_mode = pooling  # type: ignore[assignment]
    del reference[2]
    built = Layout(tmp_path)
    for path in (built.graph, built.tokenizer):
        path.parent.mkdir(parents=True)
    graph.export(reference, Architecture(pooling, False), built.graph)
    graph.save_tokenizer(reference, built.tokenizer)
    expected = np.asarray(reference.encode(list(parity.DIFFICULT_TEXTS), show_progress_bar=False), np.float32)
    assert parity.difference(expected, Session(built.graph, built.tokenizer).encode) <= parity.TOLERANCE


def test_a_folder_that_does_not_load_is_one_line(
    tmp_path: Path, model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((model_folder / name).read_bytes())
    assert main(["build", str(tmp_path), f"--repository={tmp_path / 'repository'}"]) == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


def test_a_model_that_does_not_load_stops_the_sidecar_with_the_reason(
    exported: tuple[Path, Spec], sidecar_venv: Path, tmp_path: Path
) -> None:
    root, _ = exported
    code = root / "sbert" / "1" / "model.py"
    sound = code.read_text()
    try:
        code.write_text("raise RuntimeError('broken on purpose')\n")
        with pytest.raises(SidecarError, match=r"(?s)ended before it was ready.*broken on purpose"):
            Sidecar(root, venv=sidecar_venv, log=tmp_path / "triton.log").start()
    finally:
        code.write_text(sound)


def test_a_port_in_use_is_said_before_anything_starts(
    triton: Sidecar, sidecar_venv: Path, tmp_path: Path
) -> None:
    other = Sidecar(triton.repository, venv=sidecar_venv, grpc_port=triton.grpc_port, log=tmp_path / "log")
    with pytest.raises(SidecarError, match=rf"{HOST}:{triton.grpc_port}: Address already in use"):
        other.start()
