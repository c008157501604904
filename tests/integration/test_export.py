"""The real export of the real model, and of small models with other poolings."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from dataflow.embed.repository import Layout
from dataflow.embed.session import Session
from export.__main__ import main
from export.convert import parity, weights
from export.convert.architecture import Architecture, Pooling
from export.convert.build import build
from export.errors import ParityError, SidecarError
from export.repository.install import Spec
from export.serve.sidecar import HOST, Sidecar

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def exported(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Spec]:
    """The model of a local folder, exported to a new repository."""
    root = tmp_path_factory.mktemp("repository")
    spec = build(weights.named(str(model_folder)), root, cache=root, force=False, log=print)
    return root, spec


def test_a_local_folder_makes_a_complete_repository(exported: tuple[Path, Spec], repository: Path) -> None:
    root, spec = exported
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    assert names == [
        "sbert/1/model.py",
        "sbert/1/spec.json",
        "sbert/1/tokenizer.json",
        "sbert/1/tokens.py",
        "sbert/1/wordpieces.py",
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


@pytest.fixture
def graph() -> ModuleType:
    from export.convert import graph  # noqa: PLC0415  torch takes seconds to import, and most tests do not need it

    return graph


def test_the_graph_is_what_the_stock_server_reads(exported: tuple[Path, Spec], graph: ModuleType) -> None:
    import onnx  # noqa: PLC0415

    model = onnx.load(Layout(exported[0]).graph, load_external_data=False)
    assert {each.domain: each.version for each in model.opset_import} == {"": graph.OPSET, "com.microsoft": 1}
    assert model.ir_version <= 10
    # One operator for each layer. Of this domain, only this operator was tried with ONNX Runtime 1.19.
    own = [node.op_type for node in model.graph.node if node.domain == "com.microsoft"]
    assert own == ["MultiHeadAttention"] * 6
    assert "Softmax" not in {node.op_type for node in model.graph.node}
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
    monkeypatch.setattr("export.convert.architecture.read", lambda _: Architecture("cls", True))
    with pytest.raises(ParityError, match=r"differs from SentenceTransformer.encode by 0\.\d+"):
        build(weights.named(str(model_folder)), root, cache=root, force=True, log=print)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before
    assert not list(root.glob(".build-*"))


def small(family: str, folder: Path, tokenizer_of: Path) -> Any:
    """The transformer of a small model with random weights."""
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415
    from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415

    from export.convert import graph  # noqa: PLC0415

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 128, "num_hidden_layers": 2}
    if family == "distilbert":
        sizes = {"dim": 64, "n_heads": 4, "hidden_dim": 128, "n_layers": 2}
    hub: Any = transformers
    config = hub.AutoConfig.for_model(family, vocab_size=30522, max_position_embeddings=514, **sizes)
    hub.AutoModel.from_config(config).save_pretrained(folder)
    graph.load(tokenizer_of).tokenizer.save_pretrained(folder)
    with graph._quiet():
        return modules.Transformer(str(folder), max_seq_length=256)


@pytest.mark.parametrize("pooling", ["cls", "max", "mean"])
def test_other_poolings_agree_with_the_reference(
    model_folder: Path, tmp_path: Path, pooling: Pooling, graph: ModuleType
) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415

    transformer = small("bert", tmp_path / "raw", model_folder)
    reference = SentenceTransformer(modules=[transformer, modules.Pooling(64, pooling)])
    built = Layout(tmp_path / "built")
    for path in (built.graph, built.tokenizer):
        path.parent.mkdir(parents=True)
    graph.export(reference, Architecture(pooling, False), built.graph)
    graph.save_tokenizer(reference, built.tokenizer)
    expected = np.asarray(reference.encode(list(parity.DIFFICULT_TEXTS), show_progress_bar=False), np.float32)
    assert parity.difference(expected, Session(built.graph, built.tokenizer).encode) <= parity.TOLERANCE


@pytest.mark.parametrize("family", ["bert", "mpnet", "roberta", "distilbert"])
def test_attention_of_other_families_agrees(
    family: str, tmp_path: Path, model_folder: Path, graph: ModuleType
) -> None:
    """Some texts are longer than the bias of MPNet reaches."""
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer import modules  # noqa: PLC0415

    transformer = small(family, tmp_path / "raw", model_folder)
    with graph._quiet():
        dense = modules.Dense(64, 48, activation_function=torch.nn.Tanh())
        made = SentenceTransformer(modules=[transformer, modules.Pooling(64), dense, modules.Normalize()])
        made.save(str(tmp_path / "model"))
    spec = build(
        weights.named(str(tmp_path / "model")),
        tmp_path / "repository",
        cache=tmp_path,
        force=True,
        log=print,
    )
    assert (spec.dim, spec.normalize) == (48, True)
    assert b"MultiHeadAttention" in Layout(tmp_path / "repository").graph.read_bytes()


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
