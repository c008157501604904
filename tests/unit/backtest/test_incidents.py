"""Alerts are read from files of each format and from Delta tables, and become incidents."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from dataflow.backtest.alert_rows import AlertRows, find_alerts
from dataflow.backtest.incidents import incidents_of
from dataflow.errors import SettingsError, SourceError
from dataflow.items.alerts import ALERT, ALERT_FORMAT
from dataflow.settings import Settings
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
    found |= {"event_ids": ["e"], "left_ids": [], "unnamed": 0}
    return found | {"examples": [example]} | more


ROWS = [row("a", 0), row("b", 0), row("a", 1, state="updated", count=5), row("b", 1, state="merged")]


def batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(ROWS, schema=ALERT)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the alerts in each format. The table has a commit for each row, the last one first."""
    (tmp_path / "alerts.jsonl").write_bytes(json_lines(batch()))
    (tmp_path / "alerts.parquet").mkdir()
    pq.write_table(pa.Table.from_batches([batch()]), tmp_path / "alerts.parquet/part-00000000.parquet")
    days = pa.array(["2026-01-01"] * len(ROWS))
    table = pa.Table.from_batches([batch()]).append_column("day", days)
    for at in reversed(range(len(ROWS))):
        write_deltalake(tmp_path / "alerts", table.slice(at, 1), mode="append", partition_by=["day"])
    return tmp_path


def found(text: object) -> AlertRows:
    alerts = find_alerts(str(text), Settings())
    assert alerts is not None
    return alerts


def test_all_formats_say_the_same(written: Path) -> None:
    uris = ["{}/alerts.jsonl", "file:{}/alerts.parquet", "delta:{}/alerts", "{}/alerts", "delta:{}"]
    of_lines, *others = (incidents_of(found(uri.format(written)).read()) for uri in uris)
    assert [(each.id, each.state, each.count, each.opened, each.last_ts) for each in of_lines] == [
        ("a", "updated", 5, 0, SECOND),
        ("b", "merged", 1, 0, SECOND),
    ]
    for other in others:
        assert [(vars(each) | {"examples": each.example_ids}) for each in of_lines] == [
            (vars(each) | {"examples": each.example_ids}) for each in other
        ]


def test_the_line_that_a_flow_is_writing_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_bytes(bytes(json_lines(batch()))[:-9])
    assert len(AlertRows(path).read()) == len(ROWS) - 1
    path.write_bytes(b'{"incident"\n' + bytes(json_lines(batch())))
    with pytest.raises(SourceError, match=r"alerts.jsonl, line 1: not JSON; name the file of sink.alerts$"):
        AlertRows(path).read()


def test_alerts_are_found_in_the_output_of_a_run(written: Path) -> None:
    for name in ("alerts.jsonl", "alerts.parquet", "alerts"):
        where = f"delta:{written}/alerts" if name == "alerts" else str(written / name)
        assert found(written).name == found(written / name).name == where
        (written / name).rename(written / f"no {name}")
    assert find_alerts(str(written), Settings()) is None
    assert find_alerts(f"delta:{written}", Settings()) is None


def test_what_holds_no_alerts_is_refused(tmp_path: Path) -> None:
    write_deltalake(tmp_path, pa.table({"incident": ["a"]}))
    with pytest.raises(SourceError, match=r"holds no alerts: format is missing; name that of sink.alerts$"):
        found(tmp_path).read()
    with pytest.raises(SettingsError, match=r"^kafka://h:1/t: alerts are read from file:"):
        found("kafka://h:1/t")
