"""Recorded rows in JSON lines and in Delta tables."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from dataflow.backtest.events import read_events
from dataflow.backtest.recorded import open_recorded
from dataflow.errors import SettingsError, SourceError
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import SCORED
from dataflow.settings import Settings, provenance, to_metadata
from dataflow.sink.encoding import json_lines

SCHEMA = pa.schema([*SCORED, embedding_field(2)])
MINUTE = 60_000_000


def row(number: int, **more: Any) -> dict[str, Any]:
    start = number * MINUTE
    found = {
        "key": "k",
        "window_start": start,
        "window_end": start + MINUTE,
        "revision": 0,
        "id": f"e{number}",
    }
    found |= {
        "ts": start,
        "text": "t",
        "score": 0.1 + number,
        "cluster": -1,
        "model": "m",
        "model_version": "1",
    }
    return found | {"attributes": '{"a":[1]}', "embedding": [0.6, 0.8]} | more


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=SCHEMA)


def append(path: Path, rows: pa.RecordBatch, settings: Settings | None = None) -> None:
    said = (
        {name.decode(): value.decode() for name, value in to_metadata(settings).items()} if settings else {}
    )
    table = pa.Table.from_batches([rows]).append_column("day", pa.array(["a"] * len(rows)))
    properties = CommitProperties(custom_metadata=said)
    write_deltalake(path, table, mode="append", partition_by=["day"], commit_properties=properties)


def test_lines_and_tables_give_the_rows_that_were_written(tmp_path: Path) -> None:
    rows = batch(*(row(number) for number in range(3)))
    (tmp_path / "scores.jsonl").write_bytes(bytes(json_lines(rows)) + b'{"key":"k"')
    for number in range(3):
        append(tmp_path / "table", rows.slice(number, 1))
    for uri in (f"file:{tmp_path}", f"{tmp_path}/scores.jsonl", f"delta:{tmp_path}/table"):
        recorded = open_recorded(uri)
        assert recorded.schema.equals(SCHEMA)
        assert recorded.folder == str(tmp_path)
        assert pa.Table.from_batches(recorded.batches(SCHEMA.names)).to_pylist() == rows.to_pylist()
        [found] = pa.Table.from_batches(recorded.batches(["id"])).combine_chunks().to_batches()
        assert found.to_pylist() == [{"id": f"e{number}"} for number in range(3)]


def test_the_settings_are_known_if_all_commits_say_the_same(tmp_path: Path) -> None:
    append(tmp_path, batch(row(0)), Settings())
    append(tmp_path, batch(row(1)), Settings())
    DeltaTable(tmp_path).optimize.compact()
    assert open_recorded(f"delta:{tmp_path}").made_by == provenance(Settings())
    for number, of_commit in ((2, None), (3, Settings())):
        append(tmp_path, batch(row(number)), of_commit)
        assert open_recorded(f"delta:{tmp_path}").made_by is None


def test_the_newest_version_of_the_model_is_that_of_the_latest_windows(tmp_path: Path) -> None:
    append(tmp_path, batch(row(2, model_version="2")))
    append(tmp_path, batch(row(1)))
    events = read_events(open_recorded(f"delta:{tmp_path}"), ())
    assert events.models == ["m 1", "m 2"]
    assert events.last_end == 3 * MINUTE


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not a JSON object; name the file of sink.scores"),
        ("[]", "line 2: not a JSON object; name the file of sink.scores"),
        ({"ts": "soon"}, "line 2: ts is not what sink.scores writes; name a file of one run"),
        ({"ts": None}, "line 2: ts is not what sink.scores writes"),
        ({"score": None}, "line 2: score is not what sink.scores writes"),
        ({"embedding": [0.5]}, "line 2: embedding is not what sink.scores writes"),
        ({"embedding": None}, "line 2: embedding is not what sink.scores writes"),
        ({"text": 5}, "line 2: text is not what sink.scores writes"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: Any, said: str) -> None:
    path = tmp_path / "scores.jsonl"
    first = json.loads(bytes(json_lines(batch(row(0)))))
    second = line if isinstance(line, str) else json.dumps(first | line)
    path.write_text(f"{json.dumps(first)}\n{second}\n{json.dumps(first)}\n")
    with pytest.raises(SourceError) as raised:
        list(open_recorded(str(path)).batches(SCHEMA.names))
    assert str(raised.value).startswith(f"{path}, {said}")


def test_what_has_no_rows_of_scores_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "late.jsonl").write_text('{"key": "k"}\n')
    write_deltalake(tmp_path / "late", pa.table({"key": ["k"]}))
    append(tmp_path / "empty", batch())
    wrong = batch(row(0)).drop_columns(["score"]).append_column("score", pa.array(["high"]))
    append(tmp_path / "wrong", wrong)
    uris = [f"{tmp_path}/empty.jsonl", f"delta:{tmp_path}/empty"]
    for uri in uris:
        with pytest.raises(SourceError, match=r"has no rows; record a flow until it has scored events$"):
            open_recorded(uri)
    for uri in (f"{tmp_path}/late.jsonl", f"delta:{tmp_path}/late"):
        with pytest.raises(SourceError, match=r"has no column 'window_start'; name the rows of sink.scores$"):
            open_recorded(uri)
    with pytest.raises(SourceError, match=r"has other columns than sink.scores writes"):
        list(open_recorded(f"delta:{tmp_path}/wrong").batches(["score"]))
    with pytest.raises(SettingsError, match="no such option 'start'"):
        open_recorded(f"delta:{tmp_path}/late?start=latest")
