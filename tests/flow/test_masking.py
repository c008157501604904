"""A masked text is what is embedded; all outputs have the text itself."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.items.schemas import EVIDENCE, LATE, SCORED
from tests.support.flows import environment, recovery, rows, run

LINES = [
    "Failed password for root from 5.36.59.76 port 42393 ssh2",
    "Failed password for root from 112.95.230.3 port 54087 ssh2",
    "Connection closed by 212.47.254.145 [preauth]",
    "Bye",
]


def write_lines(folder: Path) -> None:
    """Write the lines in one window, an event that closes the window, and a late event."""
    lines = [(f"2026-01-01T00:00:0{second}Z", text) for second, text in enumerate(LINES)]
    lines += [("2026-01-01T03:00:00Z", "end 1"), ("2026-01-01T00:00:00Z", "late 2")]
    records = [
        {"id": f"e{number}", "host": "a", "ts": ts, "text": text} for number, (ts, text) in enumerate(lines)
    ]
    (folder / "0.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def embeddings(folder: Path) -> dict[str, list[float]]:
    """Text -> embedding of the scored rows, which have no column of the masked text."""
    scored: list[dict[str, Any]] = rows(folder / "out/scores.jsonl")
    columns = {*SCORED.names, *(field.name for field in EVIDENCE), "explanation", "embedding"}
    assert all(set(row) == columns for row in scored)
    return {row["text"]: row["embedding"] for row in scored}


@pytest.mark.parametrize("mask", ["", r"ip port=port\s\d+"])
def test_texts_that_differ_only_where_they_are_masked_have_equal_embeddings(
    tmp_path: Path, mask: str
) -> None:
    write_lines(tmp_path)
    settings = {"DRIFTLINE_SOURCE__MASK": mask, "DRIFTLINE_SINK__EMBEDDINGS": "true"}
    run(environment(tmp_path, DRIFTLINE_WINDOW__MAX_JUMP="0s", **settings))
    found = embeddings(tmp_path)
    assert set(found) == {*LINES, "end 1"}
    assert (found[LINES[0]] == found[LINES[1]]) == bool(mask)
    assert len({tuple(vector) for vector in found.values()}) == 5 - bool(mask)
    (late,) = rows(tmp_path / "out/late.jsonl")
    assert (late["text"], set(late)) == ("late 2", set(LATE.names))


def test_a_store_of_another_mask_is_refused_in_one_line(tmp_path: Path) -> None:
    write_lines(tmp_path)
    flags = recovery(tmp_path / "store")
    run(environment(tmp_path), *flags)
    said = run(environment(tmp_path, DRIFTLINE_SOURCE__MASK="number"), *flags, code=2)
    assert "its state was made with source.mask=unset, and now it is number; set this back, or" in said
