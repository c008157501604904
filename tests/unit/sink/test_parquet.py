"""Folders of Parquet files, one file for each snapshot interval."""

import os

import pyarrow.parquet as pq

from dataflow.items.schemas import SCORED
from dataflow.settings import Settings, of_metadata, provenance
from tests.support.batches import filled as batch
from tests.support.sinks import build


def test_parquet_files_after_the_snapshot_are_written_again() -> None:
    part = build("out/scores.parquet")
    part.write_batch([batch(SCORED, id="1")])
    assert part.snapshot() == 1
    assert part.snapshot() == 1  # nothing new, no file
    part.write_batch([batch(SCORED, id="2"), batch(SCORED, id="3")])
    assert part.snapshot() == 2
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1", "2", "3"]
    resumed = build("out/scores.parquet", 1)
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1"]
    resumed.write_batch([batch(SCORED, id="2")])
    resumed.snapshot()
    assert pq.read_table("out/scores.parquet")["id"].to_pylist() == ["1", "2"]
    build("out/scores.parquet")
    assert os.listdir("out/scores.parquet") == []


def test_a_file_says_which_settings_made_its_rows() -> None:
    part = build("out/scores.parquet")
    part.write_batch([batch(SCORED, id="1")])
    part.snapshot()
    schema = pq.read_schema("out/scores.parquet/part-00000000.parquet")
    assert of_metadata(schema.metadata) == provenance(Settings())
    assert schema.equals(SCORED)
