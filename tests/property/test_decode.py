"""Each record of any bytes is an event or a dead letter, and an event is what a plain reader reads."""

import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from dataflow.decode.batch import decode_batch
from dataflow.items import schemas
from dataflow.items.schemas import Decoded
from dataflow.settings import Settings
from dataflow.settings import Source as SourceSettings
from tests.support.any_records import HEADER, NOW, UTC, formats, lines, valid
from tests.support.batches import raw

SETTINGS = Settings(source=SourceSettings(id_field="id", key_field="key", max_record_bytes=400))


def run(batch: list[bytes], format: str, first: int = 0) -> Decoded:
    header = HEADER if format == "csv" else None
    return decode_batch(raw(batch, format=format, header=header, first=first), SETTINGS, now=NOW)


@given(st.lists(lines, max_size=12), formats)
def test_each_record_ends_in_exactly_one_place_in_order(batch: list[bytes], format: str) -> None:
    decoded = run(batch, format)
    decoded.events.validate(full=True)
    decoded.dead_letters.validate(full=True)
    good = decoded.events["offset"].to_pylist()
    bad = decoded.dead_letters["offset"].to_pylist()
    assert sorted(good + bad) == list(range(len(batch)))
    assert (good, bad) == (sorted(good), sorted(bad))
    for row in decoded.dead_letters.to_pylist():
        assert row["raw"] == batch[row["offset"]]
        assert row["reason"] in schemas.REASONS
        assert len(row["message"]) < 400
    for row in decoded.events.to_pylist():
        assert isinstance(json.loads(row["attributes"]), dict)


@given(st.lists(lines, max_size=12), formats, st.data())
def test_where_batches_are_cut_means_nothing(batch: list[bytes], format: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(batch)))
    whole, left, right = run(batch, format), run(batch[:at], format), run(batch[at:], format, at)
    assert whole.events.to_pylist() == left.events.to_pylist() + right.events.to_pylist()
    assert whole.dead_letters.to_pylist() == left.dead_letters.to_pylist() + right.dead_letters.to_pylist()


def plainly(record: dict[str, Any], offset: int) -> dict[str, Any]:
    rest = {name: v for name, v in record.items() if name not in ("id", "key", "ts", "text")}
    return {
        "id": str(record["id"]),
        "key": record["key"],
        "ts": datetime.fromisoformat(record["ts"]).astimezone(UTC),
        "text": record["text"],
        "partition": "p",
        "offset": offset,
        "attributes": rest,
        "masked": None,
    }


@given(st.lists(valid, max_size=6), st.booleans())
def test_valid_records_are_what_a_plain_reader_sees(batch: list[dict[str, Any]], ascii: bool) -> None:
    encoded = [json.dumps(record, ensure_ascii=ascii).encode() for record in batch]
    settings = SETTINGS.model_copy(
        update={"source": SETTINGS.source.model_copy(update={"max_record_bytes": 1 << 20})}
    )
    decoded = decode_batch(raw(encoded), settings, now=NOW)
    assert decoded.dead_letters.to_pylist() == []
    found = [row | {"attributes": json.loads(row["attributes"])} for row in decoded.events.to_pylist()]
    assert found == [plainly(record, offset) for offset, record in enumerate(batch)]


# From the year 1000 on, because strftime does not pad %Y on every platform.
@given(
    st.datetimes(datetime(1000, 1, 1), NOW.replace(tzinfo=None), timezones=st.just(UTC)),
    st.sampled_from(["%Y-%m-%d %H:%M:%S.%f", "%d/%b/%Y:%I:%M:%S %p", "%A %B %d %H:%M:%S %Y", "%j %Y"]),
)
def test_patterns_read_what_strftime_writes(moment: datetime, pattern: str) -> None:
    text = moment.strftime(pattern)
    source = SourceSettings(ts_format=pattern)
    line = json.dumps({"ts": text, "text": ""}).encode()
    decoded = decode_batch(raw([line]), Settings(source=source), now=NOW)
    expected = datetime.strptime(text, pattern).replace(tzinfo=UTC)
    assert decoded.events["ts"].to_pylist() == [expected]


#: Zones, and the times at which their clocks changed: by an hour, by half an hour, and by a day.
changes = st.sampled_from(
    [
        ("Europe/Zurich", datetime(2026, 3, 29, 2)),
        ("Europe/Zurich", datetime(2025, 10, 26, 2)),
        ("Europe/Dublin", datetime(2025, 10, 26, 1)),
        ("America/New_York", datetime(2026, 3, 8, 2)),
        ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 30)),
        ("Australia/Lord_Howe", datetime(2026, 10, 4, 2)),
        ("Pacific/Apia", datetime(2011, 12, 30, 12)),
    ]
)


@given(changes, st.timedeltas(timedelta(hours=-14), timedelta(hours=14)))
def test_a_time_without_offset_is_one_that_the_zone_had(
    change: tuple[str, datetime], beside: timedelta
) -> None:
    zone, local = change[0], change[1] + beside
    line = json.dumps({"ts": local.isoformat(), "text": ""}).encode()
    home, near = ZoneInfo(zone), local.replace(tzinfo=UTC)
    offsets = {(near + timedelta(hours=hours)).astimezone(home).utcoffset() for hours in range(-48, 49)}
    moments = sorted(near - offset for offset in offsets if offset is not None)
    shown = [moment for moment in moments if moment.astimezone(home).replace(tzinfo=None) == local]
    found = []
    for ambiguous in ("earlier", "later", "reject"):
        source = SourceSettings.model_validate({"ts_zone": zone, "ts_ambiguous": ambiguous})
        decoded = decode_batch(raw([line]), Settings(source=source), now=NOW)
        found.append(decoded.events["ts"].to_pylist())
        assert decoded.ambiguous_times == (len(shown) > 1 and ambiguous != "reject")
    assert found == [shown[:1], shown[-1:], shown if len(shown) == 1 else []]
