"""The notebook ``examples/tune.ipynb`` runs from its first cell to its last one, without a model."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

NOTEBOOK = ROOT / "examples" / "tune.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat: Any = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient: Any = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    monkeypatch.setenv("TUNE_OUT", str(tmp_path))
    monkeypatch.setenv("DRIFTLINE_EMBED__KIND", "null")
    monkeypatch.setenv("DRIFTLINE_EMBED__DIM", "16")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "clear the outputs of the notebook"
    nbclient.NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": str(ROOT)}}).execute()
    text = str([cell.get("outputs") for cell in notebook.cells])
    assert "my_scorer:far_from_most" in text
    assert (tmp_path / "mine/report.json").exists()
    assert 'budget = "50/d"' in (tmp_path / "driftline.toml").read_text()
