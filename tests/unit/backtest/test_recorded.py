"""Recorded rows are found, and what cannot be read is said in one line."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.backtest.recorded import open_recorded
from dataflow.errors import DriftlineError
from dataflow.items.embedding import embedding_field
from dataflow.items.schemas import SCORED, TIMESTAMP
from dataflow.settings import Settings, provenance, to_metadata

SCHEMA = pa.schema([*SCORED, embedding_field(3)])


def write(path: Path, schema: pa.Schema = SCHEMA, rows: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    value = {pa.string(): "", TIMESTAMP: 0, pa.int32(): 0, pa.int64(): 0, pa.float64(): 0.0}
    row = {field.name: value.get(field.type, [0.0] * getattr(field.type, "list_size", 0)) for field in schema}
    pq.write_table(pa.Table.from_pylist([row] * rows, schema=schema), path)


@pytest.mark.parametrize("named", ["out", "out/scores.parquet", "out/scores.parquet/part-00000000.parquet"])
def test_a_file_a_folder_and_the_output_of_a_run_are_read(tmp_path: Path, named: str) -> None:
    write(tmp_path / "out/scores.parquet/part-00000000.parquet")
    recorded = open_recorded(f"file:{tmp_path / named}")
    assert [path.name for path in recorded.files] == ["part-00000000.parquet"]
    assert recorded.dim == 3
    assert recorded.made_by is None


def test_the_alerts_of_the_run_are_looked_for_beside_the_rows(tmp_path: Path) -> None:
    write(tmp_path / "out/scores.parquet/part-00000000.parquet")
    folders = [open_recorded(str(tmp_path / named)).folder for named in ("out", "out/scores.parquet")]
    assert folders == [str(tmp_path / "out")] * 2


def test_the_settings_are_known_if_all_files_say_the_same(tmp_path: Path) -> None:
    said = SCHEMA.with_metadata(to_metadata(Settings()))
    write(tmp_path / "a.parquet", said)
    write(tmp_path / "b.parquet", said)
    assert open_recorded(str(tmp_path)).made_by == provenance(Settings())
    write(tmp_path / "c.parquet", SCHEMA)
    assert open_recorded(str(tmp_path)).made_by is None


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "delta:{folder}/no",
            "delta:{folder}/no: no Delta table; write the path",
        ),
        (
            "kafka://h:1/t",
            "kafka://h:1/t: write delta:PATH, or file:PATH of Parquet files or",
        ),
        ("{folder}/no", "{folder}/no: no such file or folder"),
        ("{folder}", "{folder}: has no Parquet files; name the folder of sink.scores=file:....parquet"),
        ("{folder}/text", "{folder}/text: not a whole Parquet file"),
        ("{folder}/empty", "{folder}/empty: has no rows; record a flow until it has scored events"),
        ("{folder}/late", "has no column 'window_start'; name the rows of sink.scores"),
        ("{folder}/bare", "has no column 'embedding'; run the flow with sink.embeddings = true"),
        ("{folder}/mixed", "{folder}/mixed/b.parquet: has other columns than {folder}/mixed/a.parquet"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path: Path, uri: str, said: str) -> None:
    (tmp_path / "text").write_text("no Parquet")
    write(tmp_path / "late/a.parquet", pa.schema([SCORED.field("key")]))
    write(tmp_path / "bare/a.parquet", SCORED)
    write(tmp_path / "empty/a.parquet", rows=0)
    write(tmp_path / "mixed/a.parquet")
    write(tmp_path / "mixed/b.parquet", pa.schema([*SCORED, embedding_field(4)]))
    with pytest.raises(DriftlineError) as raised:
        open_recorded(uri.format(folder=tmp_path))
    assert said.format(folder=tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)
