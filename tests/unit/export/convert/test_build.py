"""When a model is exported again, and when what is installed is left alone; no torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.embed import repository
from dataflow.embed.repository import Layout
from export.convert import build, weights
from export.convert.build import Target
from export.repository import configs
from tests.support.models import installed
from tests.support.paths import ROOT
from tests.support.specs import SPEC


@pytest.fixture
def whole(tmp_path: Path) -> Layout:
    return installed(tmp_path)


def test_an_installed_version_is_recognised(whole: Layout) -> None:
    spec = build.installed(weights.named("all-MiniLM-L6-v2"), whole)
    assert spec is not None
    assert spec.dim == 384
    assert build.installed(weights.named("all-mpnet-base-v2"), whole) is None
    assert {path.name for path in whole.model.iterdir()} == {
        *("model.py", "tokens.py", "wordpieces.py", "tokenizer.json", "spec.json")
    }


@pytest.mark.parametrize("damage", ["model.onnx", "tokenizer.json", "spec.json"])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_damaged_version_is_made_again(whole: Layout, damage: str, how: str) -> None:
    path = next(path for path in (whole.graph, whole.tokenizer, whole.spec) if path.name == damage)
    if how == "gone":
        path.unlink()
    else:
        path.write_text("{}")
    assert build.installed(weights.named("all-MiniLM-L6-v2"), whole) is None


def test_served_code_that_was_changed_is_restored_without_a_new_export(whole: Layout, tmp_path: Path) -> None:
    said = whole.served_spec.read_text()
    assert repository.parsed(said) == repository.identity(whole.root, "sbert", "1") is not None
    (whole.model / "tokens.py").unlink()
    whole.served_spec.unlink()
    whole.config.write_text("")
    build.build(
        weights.named("all-MiniLM-L6-v2"), whole.root, cache=tmp_path / "none", force=False, log=print
    )
    assert (whole.model / "tokens.py").read_text() == (ROOT / "dataflow" / "embed" / "tokens.py").read_text()
    assert whole.config.read_text() == configs.model_config(384)
    assert whole.served_spec.read_text() == whole.spec.read_text() == said


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


def test_what_is_there_is_kept_unless_something_else_is_asked_for() -> None:
    assert Target().is_met(SPEC)
    assert Target("fp32", "auto").is_met(SPEC)
    assert not Target("auto").is_met(SPEC)
    assert not Target("int8").is_met(SPEC)
    assert not Target(device="gpu").is_met(SPEC)
