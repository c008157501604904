"""Which files of a version are written, and what its sum covers."""

from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.embed.repository import Layout
from export.repository import install
from tests.support.models import installed
from tests.support.specs import SPEC


def test_what_makes_other_vectors_has_another_sum() -> None:
    others = [
        replace(SPEC, graph_sha256="x"),
        replace(SPEC, tokenizer_sha256="x"),
        replace(SPEC, precision="x"),
    ]
    assert len({each.sha256 for each in (SPEC, *others)}) == 4
    assert replace(SPEC, parity=0.0, device="gpu").sha256 == SPEC.sha256


def test_a_spec_is_read_as_it_was_written(tmp_path: Path) -> None:
    layout = installed(tmp_path)
    spec = install.read_spec(layout)
    assert spec is not None
    assert replace(spec, graph_sha256="", tokenizer_sha256="") == SPEC
    assert layout.served_spec.read_text() == layout.spec.read_text()


@pytest.mark.parametrize("text", ["", "[]", "null", '{"name": "x"}', '{"of another": "export"}'])
def test_what_is_no_spec_is_none(tmp_path: Path, text: str) -> None:
    layout = installed(tmp_path)
    layout.spec.write_text(text)
    assert install.read_spec(layout) is None
    layout.spec.unlink()
    assert install.read_spec(layout) is None


def test_files_that_are_as_they_should_be_are_not_written_again(tmp_path: Path) -> None:
    layout = installed(tmp_path)
    spec = install.read_spec(layout)
    assert spec is not None
    layout.config.write_text(layout.config.read_text() + "version_policy: { specific { versions: [1] } }\n")
    (layout.model / "tokens.py").write_text("changed")
    before = written(layout)
    install.write_served_files(layout, spec)
    after = written(layout)
    assert {path.name for path in before if after[path] != before[path]} == {"tokens.py"}


def written(layout: Layout) -> dict[Path, tuple[int, int]]:
    paths = [path for path in layout.root.rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}
