"""Each event of recorded rows is there once, in the order of event times."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.backtest.events import read_events
from dataflow.backtest.recorded import open_recorded
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import SCORED

Row = dict[str, Any]
#: An event: key, id, event time. The embedding says which window and version the row is from.
EVENTS = st.tuples(st.sampled_from("ab"), st.sampled_from(["1", "2", "3"]), st.integers(0, 3))
ROWS = st.tuples(EVENTS, st.integers(0, 2), st.integers(0, 1), st.integers(0, 1), st.integers(1, 2))


def row(event: tuple[str, str, int], start: int, revision: int, model: int, copies: int) -> list[Row]:
    key, id, ts = event
    found = {"key": key, "id": id, "ts": ts, "window_start": start, "window_end": start + 5, "score": 0.0}
    found |= {"revision": revision, "text": f"text 7 {id}", "cluster": 0, "model": "m", "attributes": "{}"}
    return [found | {"model_version": str(model), "embedding": [start, revision]}] * copies


def write(folder: Path, rows: list[Row], parts: int = 2) -> None:
    schema = pa.schema([*SCORED, embedding_field(2)])
    for part in range(parts):
        table = pa.Table.from_pylist(rows[part::parts], schema=schema)
        pq.write_table(table, folder / f"part-{part:08d}.parquet")


@given(st.lists(ROWS, min_size=1, max_size=25, unique_by=lambda each: each[:3]))
def test_an_event_is_that_of_the_last_revision_of_its_first_window(
    tmp_path_factory: pytest.TempPathFactory, found: list[Any]
) -> None:
    rows = [each for arguments in found for each in row(*arguments)]
    folder = tmp_path_factory.mktemp("rows")
    write(folder, rows)
    events = read_events(open_recorded(str(folder)), ("number",))
    identity = ("key", "id", "ts")
    by_event: dict[tuple[Any, ...], list[Row]] = {}
    for each in rows:
        by_event.setdefault(tuple(each[name] for name in identity), []).append(each)
    expected, others = [], set()
    for event, mine in by_event.items():
        first = min(mine, key=lambda each: (each["window_start"], -each["revision"]))
        place = [first["window_start"], first["revision"]]
        copies = [each for each in mine if each["embedding"] == place]
        expected += [(*event, place)] * len(copies)
        others |= {(*event, each["model_version"]) for each in mine} - {(*event, first["model_version"])}
    columns = [*identity, "embedding"]
    rows_found = events.rows.set_column(2, "ts", events.rows["ts"].cast(pa.int64())).to_pylist()
    assert sorted([tuple(each[name] for name in columns) for each in rows_found]) == sorted(expected)
    assert events.rows["ts"].to_pylist() == sorted(events.rows["ts"].to_pylist())
    assert set(events.rows["masked"].to_pylist()) <= {"text <number> <number>"}
    with_models = events.others.set_column(2, "ts", events.others["ts"].cast(pa.int64())).to_pylist()
    assert len(with_models) == len(others)
    assert {tuple(each[name] for name in (*identity, "model_version")) for each in with_models} == others
    assert events.last_end == max(each["window_end"] for each in rows)
