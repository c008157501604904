"""Parquet files and Delta tables give the rows that JSON lines give."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from benchmarks.kit.page_rows import batches, lines
from dataflow.items.alerts import ALERT
from tests.support.page import Opened, alert, opened, scored, written
from tests.support.processes import wait_until

ROWS = 3000


def write(kind: str, folder: Path, first: int = 0, rows: int = ROWS) -> Path:
    """Scored rows as the sinks write them; called again, more of them."""
    if kind == "lines":
        path = folder / "scores.jsonl"
        with path.open("ab") as file:
            file.writelines(lines(rows, first=first))
        return path
    table = pa.Table.from_batches(batches(rows, first=first, dim=16 if kind == "embedded" else 0))
    path = folder / ("scores" if kind == "delta" else "scores.parquet")
    if kind == "delta":
        write_deltalake(str(path), table, mode="append")
        return path
    path.mkdir(exist_ok=True)
    number = len(list(path.iterdir()))
    pq.write_table(table, path / f"part-{number:08d}.parquet")
    return path


def shown(client: Opened) -> list[dict[str, Any]]:
    """All rows in the order of their times, without the numbers of this run of the server."""
    rows: list[dict[str, Any]] = []
    total = client.json("rows", limit=0)["total"]
    for offset in range(0, total, 500):
        rows += client.json("rows", sort="ts", order="asc", offset=offset, limit=500)["rows"]
    return [{name: value for name, value in row.items() if name != "row"} for row in rows]


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_each_format_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    (tmp_path / "lines").mkdir()
    write("lines", tmp_path / "lines")
    write(kind, tmp_path)
    with opened(tmp_path / "lines") as first, opened(tmp_path) as second:
        expected = shown(first.loaded(ROWS))
        assert len(expected) == ROWS
        assert shown(second.loaded(ROWS)) == expected
        row = next(row for row in expected if row["anomaly"] > 3)
        asked = {"key": row["key"], "id": row["id"]}
        event = first.json("event", **asked)
        assert second.json("event", **asked) == event
        assert any(window["explanation"] for window in event["windows"])


@pytest.mark.parametrize("kind", ["lines", "parquet", "delta"])
def test_an_output_is_followed(tmp_path: Path, kind: str) -> None:
    path = write(kind, tmp_path)
    with opened(path if kind != "delta" else f"delta:{path}") as client:
        client.loaded(ROWS)
        before = client.json("state")["generation"]
        write(kind, tmp_path, first=ROWS, rows=500)
        wait_until(lambda: client.json("state")["rows"] == ROWS + 500)
        assert client.json("state")["generation"] > before


def test_rows_that_a_resume_writes_again_are_not_doubled(tmp_path: Path) -> None:
    """A resume removes files, and writes their rows again to files of the same names."""
    path = write("parquet", tmp_path)
    with opened(tmp_path) as client:
        client.loaded(ROWS)
        (path / "part-00000000.parquet").unlink()
        write("parquet", tmp_path, rows=ROWS + 100)
        wait_until(lambda: client.json("state")["rows"] == ROWS + 100)


def test_a_compacted_table_keeps_its_rows(tmp_path: Path) -> None:
    for part in range(3):
        path = write("delta", tmp_path, first=part * 100, rows=100)
    with opened(path) as client:
        client.loaded(300)
        DeltaTable(str(path)).optimize.compact()
        write("delta", tmp_path, first=300, rows=50)
        wait_until(lambda: client.json("state")["rows"] == 350)


def test_alerts_of_parquet_are_those_of_json(tmp_path: Path) -> None:
    rows = [alert("i1"), alert("i1", 1, state="closed"), alert("i2", merged_into="i1", state="merged")]
    written(tmp_path / "alerts.jsonl", rows)
    with_times = json.loads(json.dumps(rows), object_hook=_times)
    pq.write_table(pa.Table.from_pylist(with_times, ALERT), tmp_path / "alerts.parquet")
    with opened(tmp_path / "alerts.jsonl") as first, opened(tmp_path / "alerts.parquet") as second:
        expected = first.loaded().json("incidents")
        assert expected["total"] == 2
        assert second.loaded().json("incidents")["incidents"] == expected["incidents"]


def _times(each: dict[str, Any]) -> dict[str, Any]:
    return {
        name: np.datetime64(value[:-1], "us").item() if str(value).endswith("Z") else value
        for name, value in each.items()
    }


def test_half_a_parquet_file_is_broken_until_it_is_whole(tmp_path: Path) -> None:
    path = write("parquet", tmp_path) / "part-00000000.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with opened(tmp_path) as client:
        wait_until(lambda: client.json("state")["streams"][0]["state"] == "broken")
        assert "part-00000000.parquet" in client.json("state")["streams"][0]["message"]
        path.write_bytes(whole)
        client.loaded(ROWS)


def test_the_map_is_the_same_after_a_restart(tmp_path: Path) -> None:
    write("embedded", tmp_path)
    maps = []
    for _ in range(2):
        with opened(tmp_path) as client:
            client.loaded(ROWS)
            assert client.json("state")["embeddings"] is True
            answer = client.get("/api/map", params={"limit": 5000})
            table = pa.ipc.open_stream(answer.content).read_all()
            assert len(table) == ROWS
            maps.append(table)
            write("embedded", tmp_path, first=ROWS, rows=200) if len(maps) == 2 else None
            few = pa.ipc.open_stream(client.get("/api/map", params={"limit": 100}).content).read_all()
            assert len(few) == 100
    for name in ("x", "y"):
        assert np.allclose(maps[0][name].to_numpy(), maps[1][name].to_numpy(), atol=1e-4)
    said = maps[0].schema.metadata
    assert said[b"method"] == b"pca"
    assert said[b"total"] == str(ROWS).encode()
    assert maps[0].column_names == [
        "row", "x", "y", "cluster", "anomaly", "score", "ts", "window_start", "reference",
    ]  # fmt: skip


def test_places_do_not_change_while_rows_come(tmp_path: Path) -> None:
    write("embedded", tmp_path)
    with opened(tmp_path) as client:
        client.loaded(ROWS)
        before = pa.ipc.open_stream(client.get("/api/map").content).read_all().to_pylist()
        write("embedded", tmp_path, first=ROWS, rows=1000)
        wait_until(lambda: client.json("state")["rows"] == ROWS + 1000)
        after = {
            row["row"]: row
            for row in pa.ipc.open_stream(client.get("/api/map").content).read_all().to_pylist()
        }
        assert len(after) == ROWS + 1000
        assert all(after[row["row"]] == row for row in before)


def test_neighbours_are_the_nearest_usual_rows_of_the_window(tmp_path: Path) -> None:
    write("embedded", tmp_path)
    table = pa.Table.from_batches(batches(ROWS, dim=16))
    rows = table.drop_columns(["explanation"]).to_pylist()
    event = rows[1234]
    window = max(row["window_start"] for row in rows if row["id"] == event["id"])
    own = np.array(
        next(row for row in rows if row["id"] == event["id"] and row["window_start"] == window)["embedding"]
    )
    usual = [
        row
        for row in rows
        if (row["key"], row["window_start"]) == (event["key"], window)
        and row["anomaly"] < 1
        and row["id"] != event["id"]
    ]
    similar = sorted((float(np.dot(own, row["embedding"])) for row in usual), reverse=True)
    with opened(tmp_path) as client:
        client.loaded(ROWS)
        found = client.json("event", key=event["key"], id=event["id"])["neighbours"]
    assert len(found) == 5
    assert [each["similarity"] for each in found] == pytest.approx(similar[:5], abs=0.02)
    assert all(each["anomaly"] < 1 for each in found)


def test_an_event_has_its_position_unless_the_output_is_older(tmp_path: Path) -> None:
    rows = [scored(1, partition="p:3", offset=2**40), scored(2), scored(3, partition=None, offset=None)]
    del rows[1]["partition"], rows[1]["offset"]
    written(tmp_path / "scores.jsonl", rows)
    with opened(tmp_path) as client:
        client.loaded(3)
        events = [client.json("event", key="a", id=f"e{event}") for event in (1, 2, 3)]
        assert [(event["partition"], event["offset"]) for event in events] == [
            ("p:3", 2**40),
            (None, None),
            (None, None),
        ]
