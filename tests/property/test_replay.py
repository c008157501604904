"""What a replay sends is what the source gave: no record is lost, cut, doubled, or another one.

The reference is the decoder, which reads the records themselves with the settings of the replay.
"""

import json
import tempfile
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from dataflow.decode.batch import decode_batch
from dataflow.embed.base import Embedded
from dataflow.embed.batch import embed_batches
from dataflow.items.schemas import EVENT, LATE, raw_schema
from dataflow.replay.check import Report
from dataflow.replay.letters import Filters, Letters
from dataflow.replay.sending import select, source_uri
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from dataflow.sink.encoding import json_lines
from dataflow.source import open_source
from dataflow.source.dead_letters.selection import Selection
from dataflow.window.late import late_rows
from tests.support.any_records import HEADER, NOW, formats, lines

#: No record has its time in this field, so nearly all become dead letters.
BEFORE = Settings(source=SourceSettings(id_field="id", ts_field="when", max_record_bytes=120))
WIDE = Settings(source=SourceSettings(id_field="id", key_field="key"))
NOW_SETTINGS = {
    "id": SourceSettings(id_field="id", key_field="key"),
    "times": SourceSettings(ts_field="", text_field="key", mask=("number",)),
    "same": BEFORE.source,
}
columns = [name for name in EVENT.names if name != "masked"]

times = st.integers(0, 59).map("2026-11-23T11:00:{:02}Z".format)
good = st.builds(
    lambda id, key, ts, text: json.dumps({"id": id, "key": key, "ts": ts, "text": text}).encode(),
    *(st.integers(0, 9), st.text(max_size=3), times, st.text(max_size=9)),
)
good_csv = st.builds("{},{},{},x {},".format, st.integers(0, 9), st.integers(0, 9), times, st.integers(0, 9))
#: Format -> records of which many are dead letters before the fix, and events after it.
GOOD = {"jsonl": good, "csv": good_csv.map(str.encode), "text": st.binary(max_size=4)}


def records(format: str) -> st.SearchStrategy[Any]:
    keys = st.none() | st.binary(max_size=3)
    moments = st.datetimes(datetime(1980, 1, 1), datetime(2026, 1, 1), timezones=st.just(timezone.utc))
    record = st.tuples(st.one_of(lines, GOOD[format], GOOD[format]), keys, st.none() | moments)
    return st.tuples(st.just(format), st.lists(record, min_size=1, max_size=12))


streams = formats.flatmap(records)


class Refusing:
    """An embedder that refuses all texts."""

    model, version, dim = "m", "1", 2

    def embed(self, texts: Any) -> Embedded:
        failed = dict.fromkeys(range(len(texts)), "no")
        return Embedded(np.zeros((len(texts), 2), np.float32), "1", failed)

    def close(self) -> None:
        """Nothing is open."""


def raw_batches(rows: Any, format: str) -> list[pa.RecordBatch]:
    """The records in two partitions, as a source gives them."""
    schema = raw_schema(format, HEADER if format == "csv" else None)
    columns = [
        {
            "raw": raw,
            "partition": f"p{number % 2}",
            "offset": number,
            "arrival": NOW - timedelta(seconds=number),
            "message_key": key,
            "message_ts": ts,
            "message_headers": '{"trace":"7"}' if number % 3 == 0 else None,
        }
        for number, (raw, key, ts) in enumerate(rows)
    ]
    return [
        pa.RecordBatch.from_pylist(part, schema=schema) for part in (columns[0::2], columns[1::2]) if part
    ]


def write(folder: Path, kind: str, rows: pa.RecordBatch) -> str:
    if kind == "parquet":
        (folder / "rows.parquet").mkdir()
        pq.write_table(pa.Table.from_batches([rows]), folder / "rows.parquet/part-0.parquet")
        return f"file:{folder}/rows.parquet"
    (folder / "rows.jsonl").write_bytes(json_lines(rows))
    return f"file:{folder}/rows.jsonl"


def replayed(folder: Path, uri: str, settings: Settings) -> tuple[list[dict[str, Any]], Report, Report]:
    """The events of a send of the letters at ``uri``, in their order by partition; its report, and that of a
    second send.
    """
    reports, events = [], []
    with closing(Selection(folder / "replay", create=True)) as selection:
        for _ in range(2):
            letters = Letters(settings, [uri], Filters(), lambda: NOW)
            more = {"inputs": [], "append": False, "again": False, "prepare": False}
            send, report = select(selection, letters.batches(), settings, NOW, **more)  # type: ignore[arg-type]
            reports.append(report)
            assert (send is None) == (report.passing == 0)
            if send:
                source = settings.source.model_copy(update={"uri": source_uri(selection, send)})
                events += read(settings.model_copy(update={"source": source}))
    return events, reports[0], reports[1]


def read(settings: Settings) -> list[dict[str, Any]]:
    source = open_source(settings, clock=lambda: NOW, check_format=lambda *_: None)
    events: list[dict[str, Any]] = []
    for name in source.list_parts():
        part: Any = source.build_part("s", name, None)
        with closing(part):
            try:
                while True:
                    for batch in part.next_batch():
                        decoded = decode_batch(batch, settings, now=NOW)
                        assert not len(decoded.dead_letters)
                        events += decoded.events.to_pylist()
            except StopIteration:
                pass
    return events


def shuffled(rows: pa.RecordBatch, seed: int) -> pa.RecordBatch:
    return rows.take(pa.array(np.random.default_rng(seed).permutation(len(rows)), pa.int64()))


def in_order(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(events, key=lambda event: (event["partition"], event["ts"], event["offset"]))


kinds = st.sampled_from(["jsonl", "parquet"])


@examples(max_examples=60)
@given(streams, st.sampled_from(list(NOW_SETTINGS)), kinds, st.integers(0, 9))
def test_dead_letters_become_the_events_of_their_records(stream: Any, now: str, kind: str, seed: int) -> None:
    format, rows = stream
    settings = BEFORE.model_copy(update={"source": NOW_SETTINGS[now]})
    if format == "text":
        fields = {"id_field": None, "key_field": None}
        settings = settings.model_copy(update={"source": settings.source.model_copy(update=fields)})
    batches = raw_batches(rows, format)
    dead = pa.concat_batches([decode_batch(batch, BEFORE, now=NOW).dead_letters for batch in batches])
    letters = {(row["partition"], row["offset"]): row["reason"] for row in dead.to_pylist()}
    expected = [
        event
        for batch in batches
        for event in decode_batch(batch, settings, now=NOW).events.to_pylist()
        if letters.get((event["partition"], event["offset"]), "too_large") != "too_large"
    ]
    with tempfile.TemporaryDirectory() as folder:
        uri = write(Path(folder), kind, shuffled(dead, seed))
        events, report, second = replayed(Path(folder), uri, settings)
    assert events == in_order(expected)
    assert report.passing == len(expected)
    assert report.passing + report.counts.total() == len(dead)
    assert sum(report.counts[flaw] for flaw in report.flawed) == list(letters.values()).count("too_large")
    assert (second.passing, second.known.sent, second.counts) == (0, report.passing, report.counts)


@examples(max_examples=60)
@given(streams, kinds, st.sampled_from(["late", "embedding"]), st.integers(0, 9))
def test_late_events_and_refused_texts_stay_the_same_events(
    stream: Any, kind: str, reason: str, seed: int
) -> None:
    """Whatever the settings say of records: an event was decoded before."""
    format, rows = stream
    first = pa.concat_batches(
        [decode_batch(batch, WIDE, now=NOW).events for batch in raw_batches(rows, format)]
    )
    if reason == "late":
        window = [[(0, 1)]] * len(first)
        letters = (
            late_rows(first, np.ones(len(first), np.int64), window) if len(first) else LATE.empty_table()
        )
    else:
        _, letters = embed_batches(Refusing(), [first])
    if not len(letters):
        return
    settings = Settings(source=NOW_SETTINGS["times"])
    with tempfile.TemporaryDirectory() as folder:
        uri = write(Path(folder), kind, shuffled(letters, seed))
        events, report, second = replayed(Path(folder), uri, settings)
    assert [{name: event[name] for name in columns} for event in events] == in_order(
        first.select(columns).to_pylist()
    )
    assert (report.passing, report.counts.total()) == (len(first), 0)
    assert (second.passing, second.known.sent) == (0, len(first))
