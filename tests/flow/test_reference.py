"""Evidence of the whole flow: the same in one process or two, in one run or several."""

import json
from pathlib import Path
from typing import Any

from dataflow.items.schemas import EVIDENCE, SCORED
from tests.support.flows import environment, recovery, rows, run, write_stream

SETTINGS = {
    "DRIFTLINE_SCORE__REFERENCE": "true",
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
    "DRIFTLINE_SCORE__HALF_LIFE": "1h",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
}


def scored(folder: Path) -> list[dict[str, Any]]:
    return sorted(rows(folder / "out/scores.jsonl"), key=lambda row: json.dumps(row, sort_keys=True))


def test_neither_processes_nor_restarts_change_the_evidence(tmp_path: Path) -> None:
    write_stream(tmp_path, 1500)
    once = environment(tmp_path, **SETTINGS)
    run(once)
    undisturbed = scored(tmp_path)
    assert all(set(row) == {*SCORED.names, *(field.name for field in EVIDENCE)} for row in undisturbed)
    known = [row["anomaly"] for row in undisturbed if row["anomaly"] is not None]
    assert len(known) > len(undisturbed) / 4
    (tmp_path / "out/scores.jsonl").unlink()
    lines = {path: path.read_text().splitlines(keepends=True) for path in tmp_path.glob("*.jsonl")}
    flags = recovery(tmp_path / "store")
    for share, processes in ((0.3, 2), (0.6, 1), (1.0, 2)):
        for path, all_lines in lines.items():
            path.write_text("".join(all_lines[: int(share * len(all_lines))]))
        on_eof = "close" if share == 1.0 else "keep"
        run(once | {"DRIFTLINE_WINDOW__ON_EOF": on_eof}, *flags, processes=processes)
    assert scored(tmp_path) == undisturbed


def test_a_store_without_a_reference_is_refused_in_one_line(tmp_path: Path) -> None:
    write_stream(tmp_path, 30)
    flags = recovery(tmp_path / "store")
    run(environment(tmp_path), *flags)
    said = run(environment(tmp_path, DRIFTLINE_SCORE__REFERENCE="true"), *flags, code=2)
    assert "its state was made with score.reference=False, and now it is True; set this back, or" in said
