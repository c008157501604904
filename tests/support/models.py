"""A sentence-transformers folder, and a repository with an exported version, without real weights."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dataflow.embed.repository import Layout
from export.convert.weights import WEIGHTS_FILE, sha256
from export.repository.install import install
from tests.support.specs import SPEC


def model_folder(path: Path, modules: Sequence[str], pooling: dict[str, object] | None = None) -> Path:
    (path / "1_Pooling").mkdir(parents=True)
    own = {"Pooling": "1_Pooling", "Dense": "1_Pooling"}  # one config serves both
    listed = [{"path": own.get(kind, ""), "type": f"a.b.{kind}"} for kind in modules]
    (path / "modules.json").write_text(json.dumps(listed))
    (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling or {"pooling_mode_mean_tokens": True}))
    (path / WEIGHTS_FILE).write_bytes(b"weights")
    return path


def installed(folder: Path) -> Layout:
    """A repository in ``folder`` that holds SPEC, with placeholders for graph, tokenizer and reference."""
    built = Layout(folder / "built")
    for path in (built.graph, built.tokenizer, built.reference):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    spec = replace(SPEC, graph_sha256=sha256(built.graph), tokenizer_sha256=sha256(built.tokenizer))
    layout = Layout(folder / "repository")
    install(layout, built, spec)
    return layout
