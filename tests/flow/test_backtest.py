"""A backtest with equal settings gives what the flow gave."""

from pathlib import Path
from typing import Any

import pytest

from dataflow.alert.rows import batch
from dataflow.backtest.again import outputs, replay
from dataflow.backtest.recorded import open_recorded
from dataflow.backtest.stored import decide
from dataflow.settings import Settings
from dataflow.sink.encoding import json_lines
from tests.support.recorded import alerts, parquet, record, write_events

KINDS = {
    "sliding": {},
    "tumbling": {"DRIFTLINE_WINDOW__KIND": "tumbling"},
    "session": {"DRIFTLINE_WINDOW__KIND": "session", "DRIFTLINE_WINDOW__GAP": "1m"},
    "watermark of keys": {"DRIFTLINE_WINDOW__WATERMARK": "key"},
    "budget of keys": {"DRIFTLINE_ALERT__PER": "key"},
    "warm": {
        "DRIFTLINE_SCORE__KIND": "kmeans",
        "DRIFTLINE_SCORE__START": "warm",
        "DRIFTLINE_SCORE__CLUSTERS": "3",
    },
    "score of the window": {"DRIFTLINE_SCORE__POOLED": "false", "DRIFTLINE_SCORE__EVIDENCE": "score"},
}
SCORE = ("key", "window_start", "id", "revision")


def decided(folder: Path, settings: Settings) -> list[dict[str, Any]]:
    """The alerts of recorded scores."""
    _, rows = decide(open_recorded(f"file:{folder}/out/scores.parquet"), settings)
    path = folder / "decided.jsonl"
    path.write_bytes(json_lines(batch(rows)))
    return alerts(path)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_settings_give_equal_rows(kind: str, tmp_path: Path) -> None:
    write_events(tmp_path)
    settings = record(tmp_path, **KINDS[kind])
    recorded = alerts(tmp_path / "out/alerts.jsonl")
    assert {row["state"] for row in recorded} >= {"open", "updated", "closed"}
    assert not (tmp_path / "out/late.jsonl").read_text()

    assert replay(open_recorded(f"file:{tmp_path}/out"), settings, tmp_path / "again") == 800
    found = outputs(tmp_path / "again")
    assert parquet(found["scores"], *SCORE) == parquet(tmp_path / "out/scores.parquet", *SCORE)
    window = ("key", "window_start", "revision")
    assert parquet(found["windows"], *window) == parquet(tmp_path / "out/windows.parquet", *window)
    assert alerts(found["alerts"]) == recorded

    assert decided(tmp_path, settings) == recorded
