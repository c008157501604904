"""A backtest with equal settings gives what the flow gave."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.alert.rows import batch
from dataflow.backtest.again import outputs, replay
from dataflow.backtest.alert_rows import AlertRows, find_alerts
from dataflow.backtest.incidents import incidents_of
from dataflow.backtest.marked import read_marks
from dataflow.backtest.recorded import open_recorded
from dataflow.backtest.stored import decide
from dataflow.marks.append import append
from dataflow.settings import Settings, provenance
from dataflow.sink.encoding import json_lines
from tests.support.flows import START
from tests.support.marks import line
from tests.support.recorded import alerts, in_delta, parquet, record, write_drifting_events, write_events
from tests.support.versioned import Changing

KINDS: dict[str, dict[str, str]] = {
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
    "half precision": {"DRIFTLINE_EMBED__STORE": "fp16"},
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
    settings = record(tmp_path, KINDS[kind])
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


DRIFTS = {
    "sliding": {},
    "small reference": {"DRIFTLINE_SCORE__REFERENCE_ROWS": "120"},
    "session": {"DRIFTLINE_WINDOW__KIND": "session", "DRIFTLINE_WINDOW__GAP": "90s"},
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_equal_settings_give_equal_drift(kind: str, tmp_path: Path) -> None:
    """Keys whose topic changes in the last third."""
    write_drifting_events(tmp_path)
    more = {"DRIFTLINE_SINK__DRIFT": f"file:{tmp_path}/out/drift.jsonl", "DRIFTLINE_DRIFT__ALPHA": "0.9"}
    more |= {"DRIFTLINE_SCORE__REFERENCE_LEAST": "100", "DRIFTLINE_SCORE__REFERENCE_ROWS": "400"}
    settings = record(tmp_path, more | DRIFTS[kind])
    recorded = alerts(tmp_path / "out/alerts.jsonl")
    tested = [json.loads(line) for line in (tmp_path / "out/drift.jsonl").read_text().splitlines()]
    assert sum(row["p_value"] is not None for row in tested) > 15
    assert sum(row["draws_reference"] is not None for row in tested) > 10
    assert [row for row in recorded if row["kind"] == "drift"]
    assert decided(tmp_path, settings) == recorded
    # A table that was compacted may have lost the order of its rows.
    rows = pq.read_table(tmp_path / "out/scores.parquet")
    (tmp_path / "other/out").mkdir(parents=True)
    order = np.random.default_rng(0).permutation(len(rows))
    pq.write_table(rows.take(pa.array(order)), tmp_path / "other/out/scores.parquet")
    assert decided(tmp_path / "other", settings) == recorded
    replay(open_recorded(f"file:{tmp_path}/out"), settings, tmp_path / "again")
    assert alerts(outputs(tmp_path / "again")["alerts"]) == recorded


def test_marks_count_as_in_the_flow(tmp_path: Path) -> None:
    """A mark is written after the flow has recorded, and counts from its own time on. A text is unknown."""
    write_events(tmp_path)
    record(tmp_path)
    without = alerts(tmp_path / "out/alerts.jsonl")
    path = tmp_path / "marks"
    texts = {each["text"] for row in without for each in row["examples"]}
    odd = sorted(text for text in texts if text.startswith("odd"))
    at = (START + timedelta(minutes=50)).isoformat()
    more = [json.loads(line("expected", text, at)) for text in ("burst a", *odd[:20], "never seen")]
    append(f"delta:{path}", more, Settings())
    settings = record(tmp_path, {"DRIFTLINE_ALERT__MARKS": f"delta:{path}"})
    recorded = alerts(tmp_path / "out/alerts.jsonl")
    assert recorded != without
    rows = open_recorded(f"file:{tmp_path}/out")
    known = read_marks(rows, settings)
    assert known is not None
    [note] = known.notes
    assert note.startswith(f"1 of {len(more)} marked texts are not among the recorded events")
    assert note.endswith('"never seen"')
    likeness = known.likeness(settings.alert.radius)
    (tmp_path / "decided.jsonl").write_bytes(json_lines(batch(decide(rows, settings, likeness)[1])))
    assert alerts(tmp_path / "decided.jsonl") == recorded
    replay(rows, settings, tmp_path / "again", likeness)
    assert alerts(outputs(tmp_path / "again")["alerts"]) == recorded


def test_real_marks_leave_the_reference_if_scores_are_made_again(tmp_path: Path) -> None:
    write_events(tmp_path)
    path = tmp_path / "marks.jsonl"
    path.write_text(line("real", "usual a", START.isoformat()))
    settings = record(tmp_path, {"DRIFTLINE_ALERT__MARKS": f"file:{path}"})
    rows = open_recorded(f"file:{tmp_path}/out")
    known = read_marks(rows, settings)
    assert known is not None
    replay(rows, settings, tmp_path / "again", known.likeness(settings.alert.radius))
    assert parquet(outputs(tmp_path / "again")["scores"], *SCORE) == parquet(
        tmp_path / "out/scores.parquet", *SCORE
    )


@pytest.mark.parametrize("uri", ["file:{}/scores.jsonl", "delta:{}/scores"])
def test_rows_of_all_sinks_are_decided_alike(uri: str, tmp_path: Path) -> None:
    write_events(tmp_path)
    settings = record(tmp_path, in_delta(tmp_path))
    recorded, uri = alerts(tmp_path / "out/alerts.jsonl"), uri.format(tmp_path / "out")
    rows = open_recorded(uri)
    assert rows.made_by == (provenance(settings) if uri.startswith("delta:") else None)
    (tmp_path / "decided.jsonl").write_bytes(json_lines(batch(decide(rows, settings)[1])))
    assert alerts(tmp_path / "decided.jsonl") == recorded
    replay(rows, settings, tmp_path / "again")
    found = outputs(tmp_path / "again")
    assert parquet(found["scores"], *SCORE) == parquet(tmp_path / "out/scores.parquet", *SCORE)
    assert alerts(found["alerts"]) == recorded
    beside = find_alerts(rows.folder, settings)
    assert beside is not None
    assert incidents_of(beside.read()) == incidents_of(AlertRows(tmp_path / "out/alerts.jsonl").read())


def test_rows_of_two_versions_of_a_model_are_compared_as_they_were(tmp_path: Path) -> None:
    write_events(tmp_path)
    settings = record(tmp_path, {"DRIFTLINE_SCORE__MODEL_CHANGE": "restart"}, Changing(16, "1 2", 60))
    recorded = parquet(tmp_path / "out/scores.parquet", *SCORE)
    versions: dict[str, set[str]] = {row["id"]: set() for row in recorded}
    for row in recorded:
        versions[row["id"]].add(row["model_version"])
    assert {frozenset(each) for each in versions.values()} == {
        frozenset("1"),
        frozenset("12"),
        frozenset("2"),
    }

    replay(open_recorded(f"file:{tmp_path}/out"), settings, tmp_path / "again")
    found = outputs(tmp_path / "again")
    assert parquet(found["scores"], *SCORE) == recorded
    assert alerts(found["alerts"]) == alerts(tmp_path / "out/alerts.jsonl")
    assert decided(tmp_path, settings) == alerts(tmp_path / "out/alerts.jsonl")


def test_stored_scores_lack_only_the_explanations_that_rows_lack(tmp_path: Path) -> None:
    write_events(tmp_path)
    settings = record(tmp_path, {"DRIFTLINE_SCORE__EXPLAIN": "8"})
    recorded, found = alerts(tmp_path / "out/alerts.jsonl"), decided(tmp_path, settings)
    assert recorded != found
    assert [_without_explanations(row) for row in recorded] == [_without_explanations(row) for row in found]
    for row, other in zip(recorded, found, strict=True):
        for example, shown in zip(row["examples"], other["examples"], strict=True):
            assert shown == example or (shown["explanation"] is None and shown["anomaly"] < 8)


def _without_explanations(row: dict[str, Any]) -> dict[str, Any]:
    examples = [{name: each[name] for name in ("id", "ts", "text", "anomaly")} for each in row["examples"]]
    return row | {"examples": examples, "message": row["message"].partition('"; ')[0].rstrip('"')}


def test_late_events_count_as_if_they_had_come_in_time(tmp_path: Path) -> None:
    """Recorded with revisions, the backtest gives what a flow gives that waits for all events."""
    write_events(tmp_path)
    waits = record(tmp_path)
    patient = alerts(tmp_path / "out/alerts.jsonl")
    scores = parquet(tmp_path / "out/scores.parquet", *SCORE)
    late = {"DRIFTLINE_WINDOW__DELAY": "10s", "DRIFTLINE_WINDOW__ALLOWED_LATENESS": "20m"}
    record(tmp_path, late)
    recorded = open_recorded(f"file:{tmp_path}/out")
    assert max(row["revision"] for row in parquet(tmp_path / "out/scores.parquet", *SCORE)) > 0
    assert replay(recorded, waits, tmp_path / "again") == 800
    assert parquet(outputs(tmp_path / "again")["scores"], *SCORE) == scores
    assert alerts(outputs(tmp_path / "again")["alerts"]) == patient
    # Of the stored scores, those of the last revisions count.
    table = pq.read_table(tmp_path / "out/scores.parquet")
    rows: list[dict[str, Any]] = table.to_pylist()
    last: dict[tuple[Any, ...], int] = {}
    for row in rows:
        window = row["key"], row["window_start"]
        last[window] = max(last.get(window, 0), row["revision"])
    kept = [row for row in rows if row["revision"] == last[row["key"], row["window_start"]]]
    assert len(kept) < len(rows)
    (tmp_path / "last").mkdir()
    pq.write_table(pa.Table.from_pylist(kept, table.schema), tmp_path / "last/part-0.parquet")
    assert decide(recorded, waits)[1] == decide(open_recorded(f"file:{tmp_path}/last"), waits)[1] != []


def test_windows_that_were_not_recorded_to_their_end_are_left_out(tmp_path: Path) -> None:
    """The flow still runs: its last windows are open, and some of their events are not recorded."""
    write_events(tmp_path)
    settings = record(tmp_path, {"DRIFTLINE_WINDOW__ON_EOF": "keep"})
    recorded = parquet(tmp_path / "out/scores.parquet", *SCORE)
    assert len({row["id"] for row in recorded}) < 800
    replay(open_recorded(f"file:{tmp_path}/out"), settings, tmp_path / "again")
    found = outputs(tmp_path / "again")
    assert parquet(found["scores"], *SCORE) == recorded
    assert alerts(found["alerts"]) == alerts(tmp_path / "out/alerts.jsonl")
