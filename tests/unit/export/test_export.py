"""The command line, the sources and the repository, without torch, weights or a server."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from dataflow.embed import repository as repositories
from dataflow.embed.null import NullEmbedder
from export.__main__ import main
from export.convert import architecture, build, parity, weights
from export.errors import ModelError, ParityError, SidecarError
from export.repository import configs, install
from export.repository.install import Layout
from export.serve import tritonserver
from tests.support.paths import ROOT
from tests.support.specs import SPEC


def model_folder(path: Path, modules: Sequence[str], pooling: dict[str, object] | None = None) -> Path:
    (path / "1_Pooling").mkdir(parents=True)
    own = {"Pooling": "1_Pooling", "Dense": "1_Pooling"}  # one config does for both
    listed = [{"path": own.get(kind, ""), "type": f"a.b.{kind}"} for kind in modules]
    (path / "modules.json").write_text(json.dumps(listed))
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))
    (path / weights.WEIGHTS).write_bytes(b"weights")
    return path


@pytest.mark.parametrize("name", ["sbert/config.pbtxt", "sbert_encoder/config.pbtxt"])
def test_tracked_configs_are_what_the_export_writes(name: str) -> None:
    written = {
        "sbert/config.pbtxt": configs.model_config(384),
        "sbert_encoder/config.pbtxt": configs.encoder_config(384),
    }
    assert (ROOT / "model_repo" / name).read_text() == written[name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build", "nosuch"], "neither a known model (all-MiniLM-L6-v2, all-mpnet-base-v2) nor a folder"),
        (["build", "EMPTY"], "not a sentence-transformers folder, it has no modules.json"),
        (["sidecar", "--repository", "EMPTY"], "make it with `python -m export build MODEL`"),
        (["sidecar", "--install", "--venv", "EMPTY/v"], "run this in the root of a checkout"),
    ],
)
def test_a_users_mistake_is_one_line_and_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("EMPTY", str(tmp_path)) for word in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert message in said
    assert said.count("\n") == 1


def test_a_pinned_sum_that_differs_is_refused(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "cache" / "all-MiniLM-L6-v2", ["Transformer", "Pooling"])
    with pytest.raises(ModelError, match=r"model.safetensors: sha256 is .*, pinned is 53aa51172d142c89"):
        weights.locate(weights.source("all-MiniLM-L6-v2"), tmp_path / "cache", print)
    assert folder.exists()


def test_a_zip_cut_in_parts_is_joined_in_order(tmp_path: Path) -> None:
    model_folder(tmp_path / "model", ["Transformer", "Pooling"])
    archive = Path(shutil.make_archive(str(tmp_path / "all"), "zip", tmp_path, "model"))
    whole = archive.read_bytes()
    parts = [tmp_path / f"p{i}" / f"m.zip.00{i}" for i in (1, 2, 3)]
    for i, part in enumerate(parts):
        part.parent.mkdir()
        part.write_bytes(whole[i * len(whole) // 3 : (i + 1) * len(whole) // 3])
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = weights._model_folder([parts[2], parts[0], parts[1]], scratch)
    assert (found / weights.WEIGHTS).read_bytes() == b"weights"
    with pytest.raises(ModelError, match="is a part missing"):
        weights._model_folder(parts[:2], scratch)


def test_packages_without_a_model_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", "nothing")
    with pytest.raises(ModelError, match="no sentence-transformers folder"):
        weights._model_folder([tmp_path / "a.zip"], tmp_path)


@pytest.mark.parametrize(
    ("modules", "pooling", "expected"),
    [
        (["Transformer", "Pooling", "Normalize"], {"pooling_mode_mean_tokens": True}, ("mean", True, 0)),
        (["Transformer", "Pooling"], {"pooling_mode_cls_token": True, "x": True}, ("cls", False, 0)),
        (["Transformer", "Pooling"], {"pooling_mode_max_tokens": True}, ("max", False, 0)),
        (["Transformer", "Pooling"], {"pooling_mode": "cls"}, ("cls", False, 0)),
        (["Transformer", "Pooling", "Dense"], {"pooling_mode": "max"}, ("max", False, 1)),
        (
            ["Transformer", "Pooling", "Dense", "Dense", "Normalize"],
            {"pooling_mode": "cls"},
            ("cls", True, 2),
        ),
    ],
)
def test_architectures_that_the_graph_can_hold(
    tmp_path: Path, modules: list[str], pooling: dict[str, object], expected: tuple[str, bool, int]
) -> None:
    read = architecture.read(model_folder(tmp_path / "m", modules, pooling))
    assert (read.pooling, read.normalize, read.dense) == expected


@pytest.mark.parametrize(
    ("modules", "pooling", "message"),
    [
        (["Transformer", "Pooling", "Normalize", "Dense"], {}, "Pooling, Normalize, Dense; supported are"),
        (["Transformer", "Dense", "Pooling"], {}, "modules are Transformer, Dense, Pooling; supported are"),
        (["Transformer"], {}, "modules are Transformer; supported are"),
        (
            ["Transformer", "Pooling", "Dense"],
            {"module_input_name": "token_embeddings"},
            "its Dense works on token_embeddings; supported is sentence_embedding",
        ),
        (["WordEmbeddings", "Pooling"], {}, "modules are WordEmbeddings, Pooling"),
        (["Transformer", "Pooling"], {"pooling_mode_weightedmean_tokens": True}, "pooling is weightedmean"),
        (
            ["Transformer", "Pooling"],
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "pooling is mean and cls; supported is one of",
        ),
    ],
)
def test_other_architectures_are_refused_by_name(
    tmp_path: Path, modules: list[str], pooling: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        architecture.read(model_folder(tmp_path / "m", modules, pooling))


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    return NullEmbedder().embed(texts).vectors


def test_the_gate_lets_equal_embeddings_through() -> None:
    assert parity.gate(embed(parity.DIFFICULT_TEXTS), embed) == 0.0


@pytest.mark.parametrize("change", [2e-5, np.nan, np.inf])
def test_the_gate_refuses_one_wrong_component_of_one_text(change: float) -> None:
    expected = embed(parity.DIFFICULT_TEXTS)
    expected[17, 200] += change
    with pytest.raises(ParityError, match="nothing was installed"):
        parity.gate(expected, embed)


def test_difficult_texts_are_all_there() -> None:
    texts = parity.DIFFICULT_TEXTS
    assert len(set(texts)) == len(texts)
    assert "" in texts
    assert any(text.isspace() for text in texts)
    assert any("\0" in text for text in texts)
    assert any("\ufffd" in text for text in texts)
    assert any(len(text.split()) > 512 for text in texts)
    assert all(text.encode("utf-8").decode("utf-8") == text for text in texts)


@pytest.fixture
def whole(tmp_path: Path) -> Layout:
    """A repository that holds SPEC, with stand-ins for graph and tokenizer."""
    built = Layout(tmp_path / "built")
    for path in (built.graph, built.tokenizer, built.reference):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    spec = replace(
        SPEC, graph_sha256=weights.sha256(built.graph), tokenizer_sha256=weights.sha256(built.tokenizer)
    )
    layout = Layout(tmp_path / "repository")
    install.install(layout, built, spec)
    return layout


def test_an_installed_version_is_recognised(whole: Layout) -> None:
    spec = build.installed(weights.source("all-MiniLM-L6-v2"), whole)
    assert spec is not None
    assert spec.dim == 384
    assert build.installed(weights.source("all-mpnet-base-v2"), whole) is None
    assert {path.name for path in whole.model.iterdir()} == {
        *("model.py", "tokens.py", "tokenizer.json", "spec.json")
    }


@pytest.mark.parametrize("damage", ["model.onnx", "tokenizer.json", "spec.json"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_damaged_version_is_made_again(whole: Layout, damage: str, how: str) -> None:
    path = next(path for path in (whole.graph, whole.tokenizer, whole.spec) if path.name == damage)
    if how == "gone":
        path.unlink()
    else:
        path.write_text("{}")
    assert build.installed(weights.source("all-MiniLM-L6-v2"), whole) is None


def test_served_code_that_was_changed_is_restored_without_a_new_export(whole: Layout, tmp_path: Path) -> None:
    said = (whole.model / "spec.json").read_text()
    assert repositories.parsed(said) == repositories.identity(whole.root, "sbert", "1") is not None
    (whole.model / "tokens.py").unlink()
    (whole.model / "spec.json").unlink()
    (whole.root / "sbert" / "config.pbtxt").write_text("")
    build.build(
        weights.source("all-MiniLM-L6-v2"), whole.root, cache=tmp_path / "none", force=False, log=print
    )
    assert (whole.model / "tokens.py").read_text() == (ROOT / "dataflow" / "embed" / "tokens.py").read_text()
    assert (whole.root / "sbert" / "config.pbtxt").read_text() == configs.model_config(384)
    assert (whole.model / "spec.json").read_text() == whole.spec.read_text() == said


def test_what_makes_other_vectors_has_another_sum() -> None:
    others = [
        replace(SPEC, graph_sha256="x"),
        replace(SPEC, tokenizer_sha256="x"),
        replace(SPEC, precision="x"),
    ]
    assert len({each.sha256 for each in (SPEC, *others)}) == 4
    assert replace(SPEC, parity=0.0, device="gpu").sha256 == SPEC.sha256


def test_finding_a_model_already_there_imports_no_torch(whole: Layout) -> None:
    code = (
        "import sys; from export.__main__ import main; assert main(sys.argv[1:]) == 0;"
        "assert not {'torch', 'transformers', 'onnxruntime'} & set(sys.modules)"
    )
    arguments = ["build", "all-MiniLM-L6-v2", f"--repository={whole.root}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "already holds all-MiniLM-L6-v2" in done.stderr


def test_a_venv_without_a_server_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match="make it with `python -m export sidecar --install`"):
        tritonserver.from_wheel(tmp_path)
    with pytest.raises(SidecarError, match="no such program"):
        tritonserver.external(tmp_path / "tritonserver")
