"""The soak of the whole dataflow: a source that never waits is held back by a model that is slower."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import soak

BATCH_ROWS = 1024


def test_a_source_that_is_faster_than_the_model_is_held_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "soak.json"
    options = ["--minutes", "0.05", "--warm-up", "0", "--every", "0.05", "--texts-per-second", "3000"]
    monkeypatch.setattr(sys, "argv", ["soak", "flow", *options, "--json", str(target)])
    soak.main()
    found = json.loads(target.read_text())
    assert found["rows"] >= 2 * BATCH_ROWS
    in_flight = found["values"]["most rows in flight"]
    assert BATCH_ROWS <= max(in_flight) <= 2 * BATCH_ROWS
    assert set(found["trends"]) == set(found["values"])
    assert {len(values) for values in found["values"].values()} == {len(found["seconds"])}
    out = capsys.readouterr().out
    for name in found["trends"]:
        assert f"| {name} |" in out
