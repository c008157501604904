"""Warm clusters of the whole flow: the same in one process or two, whether it is killed or not."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.flows import (
    PACED,
    environment,
    recovery,
    rows,
    run,
    start,
    wait_until_it_writes,
    write_stream,
)
from tests.support.processes import killed

SETTINGS = {
    "DRIFTLINE_SCORE__KIND": "kmeans",
    "DRIFTLINE_SCORE__START": "warm",
    "DRIFTLINE_SCORE__CLUSTERS": "4",
    "DRIFTLINE_WINDOW__LENGTH": "30m",
    "DRIFTLINE_WINDOW__SLIDE": "15m",
    "DRIFTLINE_WINDOW__KEY_GROUPS": "3",
}
ALONE = {"DRIFTLINE_SCORE__REFERENCE": "false"}
REFERENCE = {
    "DRIFTLINE_SCORE__REFERENCE_LEAST": "20",
    "DRIFTLINE_SCORE__REFERENCE_ROWS": "100",
}


def written(folder: Path) -> list[list[dict[str, Any]]]:
    """The scored rows and the summaries, in an order of their own. Removes them."""
    found = []
    for stream in ("scores", "windows"):
        path = folder / f"out/{stream}.jsonl"
        found.append(sorted(rows(path), key=lambda row: json.dumps(row, sort_keys=True)))
        path.unlink()
    return found


@pytest.mark.parametrize("more", [ALONE, REFERENCE], ids=["alone", "reference"])
def test_neither_kills_nor_processes_change_warm_clusters(tmp_path: Path, more: dict[str, str]) -> None:
    write_stream(tmp_path, 900)
    windows = {"DRIFTLINE_SINK__WINDOWS": f"file:{tmp_path}/out/windows.jsonl"}
    once = environment(tmp_path, **SETTINGS, **more, **windows)
    run(once)
    scores, summaries = undisturbed = written(tmp_path)
    assert any(row["cluster"] > 3 for row in scores)
    states = {cluster["state"] for row in summaries for cluster in row["clusters"]}
    assert {"new", "steady", "gone"} <= states
    flags = recovery(tmp_path / "store")
    paced = once | {"PACE": "0.05", "DRIFTLINE_SOURCE__BATCH_ROWS": "20"}
    for processes in (1, 2):
        with killed(start(paced, *flags, processes=processes, flow=PACED)) as cluster:
            wait_until_it_writes(cluster, tmp_path / "out/windows.jsonl")
    run(paced | {"PACE": "0"}, *flags, flow=PACED)
    assert written(tmp_path) == undisturbed


def test_a_cold_flow_has_no_clusters_in_its_windows_and_its_store_is_refused(tmp_path: Path) -> None:
    write_stream(tmp_path, 60)
    windows = {"DRIFTLINE_SINK__WINDOWS": f"file:{tmp_path}/out/windows.jsonl"}
    flags = recovery(tmp_path / "store")
    run(environment(tmp_path, **SETTINGS | windows | {"DRIFTLINE_SCORE__START": "cold"}), *flags)
    assert not any("clusters" in row for row in rows(tmp_path / "out/windows.jsonl"))
    said = run(environment(tmp_path, **SETTINGS, **windows), *flags, code=2)
    assert "its state was made with score.start=cold, and now it is warm; set this back, or" in said


def test_clusters_of_a_scorer_that_has_none_are_refused_in_one_line(tmp_path: Path) -> None:
    said = run(environment(tmp_path, **SETTINGS | {"DRIFTLINE_SCORE__KIND": "mean"}), code=2)
    assert "score.start = warm needs clusters, which mean does not make: set score.kind = kmeans" in said
