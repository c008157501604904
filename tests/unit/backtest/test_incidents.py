"""Alerts are read from files of both formats, and become incidents."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.backtest.incidents import find_alerts, incidents_of, read_alerts
from dataflow.errors import SourceError
from dataflow.items.alerts import ALERT, ALERT_FORMAT
from dataflow.sink.encoding import json_lines

SECOND = 1_000_000


def row(incident: str, sequence: int, **more: Any) -> dict[str, Any]:
    example = {"id": "e", "ts": SECOND, "text": "a text", "anomaly": 3.0}
    found: dict[str, Any] = dict.fromkeys(
        ("decided", "window_start", "window_end", "first_ts", "last_ts"), sequence * SECOND
    )
    found |= {
        "format": ALERT_FORMAT,
        "kind": "events",
        "incident": incident,
        "sequence": sequence,
        "state": "open",
        "key": "k",
        "count": 1,
    }
    found |= {
        "peak": 3.0,
        "p_value": 0.001,
        "threshold": 2.0,
        "cluster": 0,
        "message": "m",
        "merged_into": None,
    }
    return found | {"examples": [example]} | more


ROWS = [row("a", 0), row("b", 0), row("a", 1, state="updated", count=5), row("b", 1, state="merged")]


def batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(ROWS, schema=ALERT)


def test_both_formats_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "alerts.jsonl").write_bytes(json_lines(batch()))
    (tmp_path / "alerts.parquet").mkdir()
    pq.write_table(pa.Table.from_batches([batch()]), tmp_path / "alerts.parquet/part-00000000.parquet")
    of_lines, of_parquet = (
        incidents_of(read_alerts(tmp_path / name)) for name in ("alerts.jsonl", "alerts.parquet")
    )
    assert [(each.id, each.state, each.count, each.opened, each.last_ts) for each in of_lines] == [
        ("a", "updated", 5, 0, SECOND),
        ("b", "merged", 1, 0, SECOND),
    ]
    assert [(vars(each) | {"examples": each.example_ids}) for each in of_lines] == [
        (vars(each) | {"examples": each.example_ids}) for each in of_parquet
    ]


def test_the_line_that_a_flow_is_writing_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(bytes(json_lines(batch()))[:-9])
    assert len(read_alerts(path)) == len(ROWS) - 1
    path.write_bytes(b'{"incident"\n' + bytes(json_lines(batch())))
    with pytest.raises(SourceError, match=r"alerts.jsonl, line 1: not JSON; name the file of sink.alerts$"):
        read_alerts(path)


def test_alerts_are_found_in_the_output_of_a_run(tmp_path: Path) -> None:
    assert find_alerts(tmp_path) is None
    (tmp_path / "alerts.parquet").mkdir()
    assert find_alerts(tmp_path) == find_alerts(tmp_path / "alerts.parquet") == tmp_path / "alerts.parquet"
    (tmp_path / "alerts.jsonl").touch()
    assert find_alerts(tmp_path) == find_alerts(tmp_path / "alerts.jsonl") == tmp_path / "alerts.jsonl"
