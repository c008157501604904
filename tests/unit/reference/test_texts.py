"""Known-good texts as users write them: what is read, and the line for each mistake."""

import gzip
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.embed.null import NullEmbedder
from dataflow.errors import DriftlineError
from dataflow.items.pinned import PINNED, pinned_schema
from dataflow.reference.pinned import embed_texts
from dataflow.reference.texts import read
from dataflow.settings import Settings, Source

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
FIELDS = Settings(source=Source(text_field="message", key_field="host", ts_field="at", mask=("number",)))


def lines(path: Path, records: Sequence[object]) -> Path:
    text = "".join(record if isinstance(record, str) else json.dumps(record) + "\n" for record in records)
    data = text.encode(errors="surrogateescape")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def table(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def refused(path: object, settings: Settings = FIELDS) -> str:
    with pytest.raises(DriftlineError) as caught:
        read(str(path), settings, NOW)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["good.jsonl", "good.jsonl.gz"])
def test_lines_have_the_fields_of_the_source(tmp_path: Path, name: str) -> None:
    records = [
        {"message": "port 22", "host": "a", "at": "2026-01-01T12:00:00Z", "more": 1},
        "\n",
        {"message": "bye", "host": "b", "at": "2026-01-01T13:00:00+01:00"},
    ]
    rows = read(f"file:{lines(tmp_path / name, records)}", FIELDS, NOW)
    assert rows.schema == PINNED
    assert rows.to_pylist() == [
        {"key": "a", "ts": NOON, "text": "port 22", "masked": "port <number>"},
        {"key": "b", "ts": NOON, "text": "bye", "masked": None},
    ]


def test_keys_and_times_may_be_absent_in_all_lines(tmp_path: Path) -> None:
    path = lines(tmp_path / "good.jsonl", ["\ufeff", {"message": "a", "host": None}, {"message": "b"}])
    rows = read(str(path), FIELDS, NOW)
    assert rows.column("key").to_pylist() == rows.column("ts").to_pylist() == [None, None]


GOOD = {"message": "a", "host": "a", "at": "2026-01-01T12:00:00Z"}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({**GOOD, "message": None}, "message: the field is absent or null; send the field, or name another"),
        ({**GOOD, "message": 7}, "message: 7 is not a text; send a string"),
        ({**GOOD, "host": [1]}, "host: a JSON array is not a key; send a string, a number or a boolean"),
        ({**GOOD, "host": None}, "host: the field is absent or null"),
        ({**GOOD, "at": "noon"}, "at: 'noon' is not rfc3339; correct the time, or set source.ts_format"),
        ({**GOOD, "at": "2027-01-01T12:00:00Z"}, "ahead of the wall clock"),
        ("{no json}\n", "the record is not JSON"),
        ("[1]\n", "the record is a JSON array, not a JSON object"),
        ('{"message": "\udcff"}\n', "the record is not UTF-8: byte 0xff"),
    ],
)
def test_the_first_wrong_line_is_named(tmp_path: Path, record: object, said: str) -> None:
    path = lines(tmp_path / "bad.jsonl", [GOOD, "\n", record, "{nor json}\n"])
    assert refused(path).startswith(f"{path}: line 3: ")
    assert said in refused(path)


def test_a_parquet_file_has_the_columns_of_scored_rows(tmp_path: Path) -> None:
    keys = pa.array(["a", "b"]).dictionary_encode()
    times = pa.array([NOON, None], pa.timestamp("ns", tz="UTC"))
    path = table(tmp_path / "good.parquet", key=keys, ts=times, text=["port 22", "bye"], more=[1, 2])
    assert read(str(path), FIELDS, NOW).to_pylist() == [
        {"key": "a", "ts": NOON, "text": "port 22", "masked": "port <number>"},
        {"key": "b", "ts": None, "text": "bye", "masked": None},
    ]


def test_a_folder_of_parquet_files_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "rows.parquet"
    folder.mkdir()
    table(folder / "part-1.parquet", text=["b"])
    table(folder / "part-0.parquet", text=["a"])
    (folder / "part-2.unfinished").write_bytes(b"PAR1")
    rows = read(str(folder), FIELDS, NOW)
    assert rows.column("text").to_pylist() == ["a", "b"]
    assert rows.column("key").null_count == 2


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"message": ["a"]}, "no column text; name the columns text, key and ts"),
        ({"text": [1]}, "text: the column is int64; write a string"),
        ({"text": ["a"], "ts": ["noon"]}, "ts: the column is string; write a timestamp"),
        ({"text": ["a"], "key": [1.5]}, "key: the column is double; write a string"),
        ({"text": ["a", None]}, "row 2: text is null; remove the row"),
        ({"text": ["a", "b", "c"], "key": ["x", None, "y"]}, "row 2: key is null; give each row a key, or"),
        ({"text": pa.array([], pa.string())}, "holds no texts; name a file with known-good texts"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    path = table(tmp_path / "bad.parquet", **columns)
    assert refused(path).startswith(f"{path}: ")
    assert said in refused(path)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("delta:rows", "a Delta table cannot be pinned yet; write its rows to Parquet"),
        ("kafka://host/topic", "write file:PATH of a .jsonl"),
        ("file://other/good.jsonl", "write file:PATH of a .jsonl"),
        ("good.csv", "write file:PATH of a .jsonl"),
        ("good.jsonl?format=text", "no such option 'format'"),
        ("no/such.jsonl", "no/such.jsonl: cannot be read: No such file or directory"),
        ("no/such.parquet", "no/such.parquet: cannot be read: "),
    ],
)
def test_what_cannot_be_read_is_said(uri: str, said: str) -> None:
    assert said in refused(uri)


def test_files_that_are_not_what_their_names_say_are_refused(tmp_path: Path) -> None:
    for name, said in (("a.parquet", "cannot be read as Parquet"), ("a.jsonl.gz", "cannot be read: ")):
        (tmp_path / name).write_bytes(b"no such format")
        assert said in refused(tmp_path / name)
    (tmp_path / "b.parquet").mkdir()
    assert "no Parquet file in this folder" in refused(tmp_path / "b.parquet")


def saved(folder: Path, **changed: Any) -> pa.RecordBatch:
    rows = pa.RecordBatch.from_pylist(
        [{"text": "port 22", "masked": "port <number>"}, {"text": "bye"}], PINNED
    )
    columns = pa.Table.from_batches([embed_texts(NullEmbedder(8), rows)])
    for name, values in changed.items():
        columns = columns.set_column(columns.schema.get_field_index(name), name, [pa.array(values)])
    path = folder / "saved.parquet"
    pq.write_table(columns, path)
    return read(str(path), FIELDS, NOW)


def test_saved_embeddings_are_read(tmp_path: Path) -> None:
    rows = saved(tmp_path)
    assert rows.schema == pinned_schema(8)
    assert rows == embed_texts(NullEmbedder(8), rows.select(PINNED.names))


@pytest.mark.parametrize(
    "changed",
    [
        {"masked": ["port <digits>", None]},
        {"model_version": ["1", "2"]},
        {"model": ["null", None]},
        {"embedding": [[0.0, 1.0], [1.0, 0.0]]},
        {"embedding": pa.FixedSizeListArray.from_arrays(pa.array([0.0, 2.0, 0.0, 1.0], pa.float32()), 2)},
    ],
    ids=["mask", "version", "model", "lists", "length"],
)
def test_embeddings_that_do_not_fit_are_left_out(tmp_path: Path, changed: dict[str, Any]) -> None:
    assert saved(tmp_path, **changed).schema == PINNED
