"""Rows of sinks as letters: the same ones from each kind of sink, and why some cannot be sent."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from dataflow.decode.batch import decode_batch
from dataflow.errors import SettingsError, SourceError
from dataflow.items.schemas import LATE, raw_schema
from dataflow.replay.letters import Filters, Letters
from dataflow.replay.rows import Letter, letter_of
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.sink import open_sink
from dataflow.sink.encoding import cut_dead_letter, json_rows
from tests.support.decoding import ARRIVAL, NOW

SETTINGS = Settings(source=SourceSettings(key_field="host", max_record_bytes=100_000))
ARRIVAL_US = int(ARRIVAL.timestamp() * 1e6)


def dead(*raws: bytes, format: str = "jsonl", header: bytes | None = None, **columns: Any) -> pa.RecordBatch:
    rows = [
        {"raw": raw, "partition": "t:0", "offset": offset, "arrival": ARRIVAL} | columns
        for offset, raw in enumerate(raws)
    ]
    raw = pa.RecordBatch.from_pylist(rows, schema=raw_schema(format, header))
    return decode_batch(raw, SETTINGS, now=NOW).dead_letters


def letters(*uris: str, filters: Filters | None = None) -> list[Letter]:
    found = Letters(SETTINGS, uris, filters or Filters(), lambda: NOW)
    return [letter for batch in found.batches() for letter in batch]


def one(rows: pa.RecordBatch) -> Letter:
    (row,) = json_rows(rows)
    return letter_of(row, "uri", SETTINGS)


def write(uri: str, rows: pa.RecordBatch) -> None:
    """Write rows with the sink that ``uri`` names."""
    sink: Any = open_sink(uri, Settings(), stream="dead_letters")
    part = sink.build_part("s", sink.list_parts()[0], None)
    part.write_batch([rows])
    part.close()


def test_all_sinks_give_the_same_letters(tmp_path: Path) -> None:
    rows = dead(b"\xff\x00", b'{"host": 7}', b"no JSON", message_key=b"\xfe", message_ts=ARRIVAL)
    uris = [f"file:{tmp_path}/a.jsonl", f"file:{tmp_path}/b.parquet", f"delta:{tmp_path}/c"]
    for uri in uris:
        write(uri, rows)
    first, *others = [letters(uri) for uri in uris]
    assert others == [first, first]
    assert [letter.reason for letter in first] == ["not_utf8", "missing_field", "malformed"]
    assert letters(f"file:{tmp_path}") == first
    assert letters(*uris) == first  # a position is one letter
    record = first[0].record
    assert record
    assert record[:2] == ("t:0", 0)
    assert (record.raw, record.metadata) == (b"\xff\x00", '{"format":"jsonl"}')
    assert record[-4:] == (ARRIVAL_US, b"\xfe", ARRIVAL_US, None)
    assert {letter.time for letter in first} == {ARRIVAL_US}


def test_the_key_is_what_the_record_says_even_if_it_cannot_be_decoded() -> None:
    assert one(dead(b'{"host": "web 1"}')).key == "web 1"
    assert one(dead(b'{"host": 7}')).key == "7"
    assert one(dead(b'{"host": {}}')).key is None
    assert one(dead(b"[]")).key is None
    assert one(dead(b"no JSON")).key is None
    assert one(dead(b"now,db", format="csv", header=b"ts,host,text")).key == "db"
    assert one(dead(b"\xff", format="text")).key == "all"
    assert one(dead(b"\xff", format="text", message_key=b"k")).key == "k"


def test_a_late_event_is_a_letter_with_its_event_time() -> None:
    event = {"id": "i", "key": "k", "ts": ARRIVAL, "text": "t", "partition": "p", "offset": 1}
    late = {"attributes": '{"n":1}', "watermark": NOW, "late_by_us": 61_000_000, "missed": "[]"}
    letter = one(pa.RecordBatch.from_pylist([event | late], schema=LATE))
    assert (letter.reason, letter.key, letter.time) == ("late", "k", ARRIVAL_US)
    assert letter.message == "the event came 61 s after its last window had closed"
    assert letter.record
    assert orjson.loads(letter.record.raw)["attributes"] == {"n": 1}


def test_attributes_may_be_nested_as_deeply_as_an_event_allows() -> None:
    deep = "[" * 250 + "]" * 250
    event = {"id": "i", "key": "k", "ts": ARRIVAL, "text": "t", "partition": "p", "offset": 1}
    late = {"attributes": f'{{"n":{deep}}}', "watermark": NOW, "late_by_us": 0, "missed": "[]"}
    record = one(pa.RecordBatch.from_pylist([event | late], schema=LATE)).record
    assert record
    assert record.raw.endswith(f'"attributes":{{"n":{deep}}}}}'.encode())


def test_half_a_record_is_no_record() -> None:
    (row,) = json_rows(dead(b"x" * 50_000))
    cut = letter_of(cut_dead_letter(row, 20_000), "uri", SETTINGS)
    large = one(dead(b"x" * 100_001))
    unknown = letter_of(orjson.dumps({**orjson.loads(row), "envelope": {}}), "uri", SETTINGS)
    assert [each.record for each in (cut, large, unknown)] == [None, None, None]
    assert "cut to fit a Kafka message" in cut.flaw
    assert "raise source.max_record_bytes" in large.flaw
    assert "does not say how the record was read" in unknown.flaw
    assert letter_of(row, "uri", SETTINGS).record


def test_filters(tmp_path: Path) -> None:
    write(f"file:{tmp_path}/a.jsonl", dead(b'{"host": "a"}', b'{"host": "b"}', b"no JSON"))
    uri = str(tmp_path / "a.jsonl")
    for filters, offsets in (
        (Filters(reasons=["malformed"]), [2]),
        (Filters(keys=["a", "b"]), [0, 1]),
        (Filters(reasons=["missing_field"], keys=["b"]), [1]),
        (Filters(since=ARRIVAL_US), [0, 1, 2]),
        (Filters(since=ARRIVAL_US + 1), []),
        (Filters(until=ARRIVAL_US), []),
        (Filters(until=ARRIVAL_US + 1), [0, 1, 2]),
    ):
        assert [letter.offset for letter in letters(uri, filters=filters)] == offsets


@pytest.mark.parametrize("row", [b'{"key": "a"}', b"no JSON", b"[1]", b'{"partition": "p", "offset": 1}'])
def test_a_row_of_another_stream_is_one_line(tmp_path: Path, row: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(row + b"\n")
    with pytest.raises(SourceError, match="neither a dead letter nor a late event"):
        letters(f"file:{tmp_path}/a.jsonl")


def test_what_cannot_be_read_again_is_refused() -> None:
    with pytest.raises(SettingsError, match="stdin:: cannot be read again"):
        letters("stdin:")
