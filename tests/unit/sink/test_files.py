"""Files of JSON lines, which a resume leaves as if nothing had happened. Some tests: Parquet, too."""

import json
from pathlib import Path

import pytest
from bytewax.outputs import FixedPartitionedSink

from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import SCORED
from dataflow.settings import Settings
from dataflow.settings import Sink as SinkOptions
from dataflow.sink import open_sink
from tests.support.batches import filled as batch
from tests.support.sinks import FILE_SINKS, build, written_ids


def test_a_file_is_cut_back_to_the_snapshot() -> None:
    part = build("out/deep/scores.jsonl")
    part.write_batch([batch(SCORED, id="1"), batch(SCORED, id="2")])
    length = part.snapshot()
    whole = Path("out/deep/scores.jsonl").read_bytes()
    assert length == len(whole)
    part.write_batch([batch(SCORED, id="lost")])
    resumed = build("out/deep/scores.jsonl", length)
    assert Path("out/deep/scores.jsonl").read_bytes() == whole
    resumed.write_batch([batch(SCORED, id="3")])
    assert [json.loads(row)["id"] for row in Path("out/deep/scores.jsonl").read_bytes().splitlines()] == [
        "1",
        "2",
        "3",
    ]


def test_a_start_without_a_snapshot_begins_a_new_file() -> None:
    Path("old.jsonl").write_text("old\n")
    sink = open_sink("old.jsonl", Settings(), stream="scores")
    assert Path("old.jsonl").read_text() == "old\n"  # opening must not cut: a resume may follow
    assert isinstance(sink, FixedPartitionedSink)
    build("old.jsonl")
    assert Path("old.jsonl").read_text() == ""


@pytest.mark.parametrize("remove", [True, False])
def test_a_file_shorter_than_the_snapshot_is_refused(remove: bool) -> None:
    part = build("a.jsonl")
    part.write_batch([batch(SCORED)])
    length = part.snapshot()
    if remove:
        Path("a.jsonl").unlink()
    with pytest.raises(SourceError, match=r"a\.jsonl: is shorter than the \d+ bytes that were written"):
        build("a.jsonl", length + (not remove))


@pytest.mark.parametrize("uri", FILE_SINKS)
def test_what_follows_a_snapshot_is_written_at_the_end_and_goes_at_a_resume(uri: str) -> None:
    part = build(uri)
    part.write_batch([batch(SCORED, id="1")])
    state = part.snapshot()
    part.write_batch([batch(SCORED, id="2")])
    part.close()
    assert written_ids(uri) == ["1", "2"]
    resumed = build(uri, state)
    assert written_ids(uri) == ["1"]
    resumed.write_batch([batch(SCORED, id="2")])
    resumed.snapshot()
    assert written_ids(uri) == ["1", "2"]


def test_two_streams_in_one_file_are_refused() -> None:
    settings = Settings(sink=SinkOptions(late=("file:./a.jsonl",), dead_letters=("a.jsonl",)))
    says = r"sink\.dead_letters=a\.jsonl: is the file of sink\.late=file:\./a\.jsonl, too"
    with pytest.raises(SettingsError, match=says):
        open_sink("file:./a.jsonl", settings, stream="late")
